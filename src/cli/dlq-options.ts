import { type Io, type Options, UsageError } from './command.ts';
import { CONFIG_EXIT_CODE, configFileOption, configKeyOptions, loadCliConfig } from './config-options.ts';
import { type DeadLetterFilter, type LetterFile, listDays } from './dlq-files.ts';
import { print } from './print.ts';

/** The flags that choose dead letters, for every command that reads them. */
export const letterOptions = {
  ...configFileOption,
  'dlq-dir': configKeyOptions['dlq-dir'],
  file: {
    value: 'FILE',
    completes: 'file',
    help: 'Read the dead letters of this file, such as that of logforge forward, not those of the service.',
  },
  day: { value: 'YYYY-MM-DD', help: 'Only that UTC day.' },
  from: { value: 'YYYY-MM-DD', help: 'Only that UTC day and those after it.' },
  to: { value: 'YYYY-MM-DD', help: 'Only the UTC days before that one.' },
  stage: {
    value: 'STAGE',
    choices: ['ingest', 'consume', 'input'],
    help: 'Only that stage: ingest, consume or input.',
  },
  stream: { value: 'NAME', help: 'Only records of that stream.' },
  reason: { value: 'TEXT', help: 'Only those whose reason contains this text.' },
} satisfies Options;

export const dlqExitCodes = { 1: 'The dead letters cannot be read.', ...CONFIG_EXIT_CODE };

/** Throws UsageError for a day of another form, and for flags that contradict each other. */
function checkDays(values: DeadLetterFilter): void {
  const { day, from, to } = values;
  for (const [flag, text] of Object.entries({ day, from, to })) {
    if (text !== undefined && !/^\d{4}-\d\d-\d\d$/.test(text)) {
      throw new UsageError(`--${flag} must be a day such as 2025-11-22, got ${JSON.stringify(text)}`);
    }
  }
  if (day !== undefined && (from ?? to) !== undefined) throw new UsageError('give either --day or --from and --to');
  if (from !== undefined && to !== undefined && from >= to) throw new UsageError('--to must be later than --from');
}

/** The files of dead letters that the flags choose, oldest first. Throws UsageError and ConfigError; rejects when a folder cannot be read. */
export async function findLetterFiles(
  values: Readonly<Record<'config' | 'dlq-dir' | 'file', string | undefined>> & DeadLetterFilter,
  io: Io,
): Promise<readonly LetterFile[]> {
  checkDays(values);
  const { config, 'dlq-dir': dlqDir, file } = values;
  if (file === undefined) {
    return listDays(loadCliConfig({ config, 'dlq-dir': dlqDir }, io).config.storage.dlqDir, values);
  }
  if ((config ?? dlqDir) !== undefined) throw new UsageError('give either --file, or --dlq-dir or --config');
  return [{ path: file }];
}

export async function warnOfUnreadable(count: number, io: Io): Promise<void> {
  if (count > 0) await print(io.stderr, `logforge dlq: ${count} ${count === 1 ? 'line' : 'lines'} could not be read\n`);
}
