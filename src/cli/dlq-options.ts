import { type Io, type Options, UsageError } from './command.ts';
import { CONFIG_EXIT_CODE, configFileOption, configKeyOptions, loadCliConfig } from './config-options.ts';
import { print } from './print.ts';

/** The flags that choose dead letters, for every command that reads them. */
export const letterOptions = {
  ...configFileOption,
  'dlq-dir': configKeyOptions['dlq-dir'],
  day: { value: 'YYYY-MM-DD', help: 'Only that UTC day.' },
  from: { value: 'YYYY-MM-DD', help: 'Only that UTC day and those after it.' },
  to: { value: 'YYYY-MM-DD', help: 'Only the UTC days before that one.' },
  stage: { value: 'STAGE', choices: ['ingest', 'consume'], help: 'Only that stage: ingest or consume.' },
  stream: { value: 'NAME', help: 'Only records of that stream.' },
  reason: { value: 'TEXT', help: 'Only those whose reason contains this text.' },
} satisfies Options;

export const dlqExitCodes = { 1: 'The dead letters cannot be read.', ...CONFIG_EXIT_CODE };

/** Throws UsageError for a day of another form, and for flags that contradict each other. */
export function checkDays(values: Readonly<Record<'day' | 'from' | 'to', string | undefined>>): void {
  const { day, from, to } = values;
  for (const [flag, text] of Object.entries({ day, from, to })) {
    if (text !== undefined && !/^\d{4}-\d\d-\d\d$/.test(text)) {
      throw new UsageError(`--${flag} must be a day such as 2025-11-22, got ${JSON.stringify(text)}`);
    }
  }
  if (day !== undefined && (from ?? to) !== undefined) throw new UsageError('give either --day or --from and --to');
  if (from !== undefined && to !== undefined && from >= to) throw new UsageError('--to must be later than --from');
}

/** The folder of the dead letters. Throws ConfigError. */
export function findDlqDir(values: Readonly<Record<'config' | 'dlq-dir', string | undefined>>, io: Io): string {
  return loadCliConfig({ config: values.config, 'dlq-dir': values['dlq-dir'] }, io).config.storage.dlqDir;
}

export async function warnOfUnreadable(count: number, io: Io): Promise<void> {
  if (count > 0) await print(io.stderr, `logforge dlq: ${count} ${count === 1 ? 'line' : 'lines'} could not be read\n`);
}
