import { replayFiles } from '../app/files/replay.ts';
import { type Command, EXIT, type Io, type Options, UsageError } from './command.ts';
import { fileOptions, readFileOptions } from './file-options.ts';
import { parseFlags, toCount } from './parse-flags.ts';
import { createReport, type ReplayReport } from './replay-report.ts';
import { readService, SERVICE_ENVIRONMENT, serviceOptions } from './service-options.ts';
import { stopSignal } from './stop-signal.ts';

const MAX_FILES = 10_000;
const MAX_REJECTS_PERCENT = 10;

const options = {
  ...serviceOptions,
  ...fileOptions,
  batch: { value: 'N', help: 'Records in a request, at most. Default: as many as a block of 256 KiB of the file has.' },
  rate: { value: 'N', help: 'Records a second, at most. Default: as fast as the service accepts them.' },
  concurrency: {
    value: 'N',
    help: 'Requests at once. Default 1, which keeps the order of the file; more are faster.',
  },
  checkpoint: {
    value: 'PATH',
    completes: 'file',
    help: 'Remember in this file how far each FILE is read, and read on from there the next time. A file is known again when it was renamed or compressed.',
  },
  retries: { value: 'N', help: 'How often a batch is sent again, in a row, before the command gives up. Default 10.' },
  'max-rejects': {
    value: 'PERCENT',
    help: `Fail, at the end, when more of the lines cannot be read. Default ${MAX_REJECTS_PERCENT}.`,
  },
} as const satisfies Options;

export const replay: Command = {
  name: 'replay',
  summary: 'send existing log files to a running service',
  help: {
    synopsis: ['replay [OPTION]... FILE...', 'replay [OPTION]... -'],
    description: [
      'Reads log files, or standard input for -, and sends their records to POST /logs, or to POST /logs/NAME with --stream, in batches. What a file is and whether it is compressed (gzip, zstd) is recognised by its content, not by its name. Lines that cannot be read are counted, listed by number and left out; --rejects keeps them.',
      'Every batch has an Idempotency-Key, so a replay may be run again, for example after an interruption: with the same --batch no line is stored twice, as long as the file keeps its name and the service remembers the keys (ingestion.idempotencyWindow, 24h). With --checkpoint a file is known by its content, so one that has grown is read on from its old end, and one that was renamed or compressed since is not sent again, however long ago that was. A last line without an end waits for the next run.',
      'While the service is busy or unavailable (429, 5xx, no connection), a batch is sent again after longer and longer pauses, and never before the time that the service asks for.',
      'A file that cannot be read does not end the run: the others go on, and the exit status is 1. Prints one line on standard output at the end, also after Ctrl-C: what was sent, what could not be read, and how long it took.',
    ],
    examples: [
      { text: 'An access log of Apache or nginx:', command: 'logforge replay /var/log/nginx/access.log' },
      {
        text: 'A log and its rotated files, again and again from cron; each line is sent once:',
        command: 'logforge replay --checkpoint replay.checkpoint /var/log/nginx/access.log*',
      },
      { text: 'Events of an application:', command: 'logforge replay --stream events app.ndjson' },
      { text: 'From a pipe:', command: 'tail -F access.log | logforge replay -' },
    ],
    exitCodes: {
      1: 'A file could not be read, too many lines could not be read (--max-rejects), it was interrupted, or the service refused a batch or was unavailable. What was counted up to then is stored.',
    },
    environment: SERVICE_ENVIRONMENT,
  },
  options,
  completes: 'file',

  async run(args, io) {
    const { settings, files, maxRejects } = readArguments(args, io);
    const report = createReport({ io, files: files.length, now: () => performance.now() });
    const stop = new AbortController();
    void stopSignal(process).then(() => stop.abort(new Error('interrupted')));
    const results = await replayFiles(files, { ...settings, stdin: io.stdin, report, signal: stop.signal });
    report.end();
    const undelivered = results.find(({ outcome }) => outcome === 'undelivered');
    if (undelivered !== undefined && !stop.signal.aborted) throw undelivered.error;
    if (results.some(({ outcome }) => outcome !== 'read')) return EXIT.failure;
    return isTooBad(report, maxRejects) ? EXIT.failure : EXIT.ok;
  },
};

/** Says so, too. */
function isTooBad({ tally: { records, unreadable, refused }, notify }: ReplayReport, maxRejects: number): boolean {
  const bad = unreadable + refused;
  const percent = bad === 0 ? 0 : (bad / (records + bad)) * 100;
  if (percent <= maxRejects) return false;
  notify(`${percent.toFixed(1)} % of the lines were not stored, more than ${maxRejects} % (--max-rejects)`);
  return true;
}

function readArguments(args: readonly string[], io: Io) {
  const { values, positionals: files, every } = parseFlags(args, options, { maxPositionals: MAX_FILES });
  if (files.length === 0) throw new UsageError('a file is missing; - is standard input');
  if (files.filter((file) => file === '-').length > 1) throw new UsageError('standard input can be read only once');
  if (files.includes('-') && values.checkpoint !== undefined) {
    throw new UsageError('--checkpoint needs files: a replay of standard input cannot be continued');
  }
  const count = (flag: Counted, byDefault: number, max: number, min = 1) => {
    // The message about too many has a percent sign.
    const text = flag === 'max-rejects' ? values[flag]?.replace(/ ?%$/, '') : values[flag];
    return text === undefined ? byDefault : toCount(flag, text, { min, max });
  };
  const settings = {
    ...readService(values, io, ''),
    ...readFileOptions(values, every.map),
    batch: values.batch === undefined ? undefined : count('batch', 0, 100_000),
    rate: values.rate === undefined ? Number.POSITIVE_INFINITY : count('rate', 0, 1_000_000_000),
    retries: count('retries', 10, 1000, 0),
    checkpoint: values.checkpoint,
    concurrency: count('concurrency', 1, 64),
  };
  return { settings, files, maxRejects: count('max-rejects', MAX_REJECTS_PERCENT, 100, 0) };
}

type Counted = 'batch' | 'concurrency' | 'retries' | 'rate' | 'max-rejects';
