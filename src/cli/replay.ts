import { access, constants } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, EXIT, type Io, type Options, UsageError } from './command.ts';
import { parseFlags, toCount } from './parse-flags.ts';
import { noCheckpoint, openCheckpoint } from './replay-checkpoint.ts';
import { replayFile } from './replay-file.ts';
import { FILE_FORMATS, type FileFormat } from './replay-formats.ts';
import { createReport } from './replay-report.ts';
import { createSender } from './replay-sender.ts';

const MAX_FILES = 10_000;
const DEFAULT_URL = 'http://127.0.0.1:8082';

const options = {
  url: { value: 'URL', help: `The service. Default ${DEFAULT_URL}.` },
  format: {
    value: 'FORMAT',
    choices: FILE_FORMATS,
    help: 'What the files hold: combined, ndjson, json (one array) or csv. Guessed for each file from its first bytes and its name when not given.',
  },
  batch: { value: 'N', help: 'Records in a request. Default 1000.' },
  rate: { value: 'N', help: 'Records a second, at most. Default: as fast as the service takes them.' },
  concurrency: {
    value: 'N',
    help: 'Requests under way at once. Default 1, which keeps the order of the file; more are faster.',
  },
  checkpoint: {
    value: 'PATH',
    completes: 'file',
    help: 'Remember in this file how far each FILE has come, and go on from there the next time.',
  },
  retries: { value: 'N', help: 'Attempts to send a batch again, in a row, before giving up. Default 10.' },
  'api-key': {
    value: 'KEY',
    help: 'The key to send, where the service asks for one. Better put into the environment.',
  },
} as const satisfies Options;

export const replay: Command = {
  name: 'replay',
  summary: 'send an existing log file to a running service',
  help: {
    synopsis: ['replay [OPTION]... FILE...', 'replay [OPTION]... -'],
    description: [
      'Reads log files, or standard input for -, and sends their records to POST /logs in batches. A file is read as it goes, however large; a name that ends in .gz is unpacked. Lines that cannot be read are counted, listed by number and left out.',
      'Every batch carries an Idempotency-Key made from the content of the file up to there. So a replay that was interrupted, or run twice, may simply be run again with the same --batch: what the service has is not stored again, as long as it remembers the keys (ingestion.idempotencyWindow, 24h). With --checkpoint, what was taken is not even sent again, and a file that has grown since is taken up where it ended.',
      'While the service is busy or away (429, 5xx, no connection), a batch is tried again, later and later, and not before the time that the service asks for.',
      'Ends with one line on standard output: what was sent, what could not be read, how long it took.',
    ],
    examples: [
      { text: 'An access log of Apache or nginx:', command: 'logforge replay /var/log/nginx/access.log' },
      {
        text: 'A year of them, to be taken up again if interrupted:',
        command: 'logforge replay --checkpoint replay.json access.log.*.gz',
      },
      {
        text: 'From a pipe, slowly:',
        command: 'zstdcat access.log.zst | logforge replay --format combined --rate 5000 -',
      },
    ],
    exitCodes: {
      1: 'A file could not be read, nothing in the files could, or the service refused a batch or stayed away. What was counted up to there was stored.',
    },
    environment: { LOGFORGE_API_KEY: 'The key to send, when --api-key is not given.' },
  },
  options,
  completes: 'file',

  async run(args, io) {
    const { settings, files } = readArguments(args, io);
    for (const file of files) if (file !== '-') await access(file, constants.R_OK);
    const checkpoint = settings.checkpoint === undefined ? noCheckpoint : await openCheckpoint(settings.checkpoint);
    const report = createReport({ io, files: files.length, now: () => performance.now() });
    const sender = createSender({ ...settings, notify: report.notify, wait: (ms) => sleep(ms) });
    const shared = {
      ...settings,
      checkpoint,
      report,
      send: sender.send,
      pace: createPace(settings.rate),
      stdin: io.stdin,
    };
    try {
      for (const file of files) await replayFile(file, shared);
    } finally {
      sender.close();
      report.end();
    }
    return report.readNothing() ? EXIT.failure : EXIT.ok;
  },
};

function readArguments(args: readonly string[], io: Io) {
  const { values, positionals: files } = parseFlags(args, options, { maxPositionals: MAX_FILES });
  if (files.length === 0) throw new UsageError('name a file to replay, or - for standard input');
  if (files.filter((file) => file === '-').length > 1) throw new UsageError('standard input can be read only once');
  if (files.includes('-') && values.checkpoint !== undefined) {
    throw new UsageError('--checkpoint needs files: standard input has no place to go on from');
  }
  const count = (flag: 'batch' | 'concurrency' | 'retries' | 'rate', byDefault: number, max: number, min = 1) => {
    const text = values[flag];
    return text === undefined ? byDefault : toCount(flag, text, { min, max });
  };
  const concurrency = count('concurrency', 1, 64);
  const settings = {
    url: readUrl(values.url ?? DEFAULT_URL),
    // One of FILE_FORMATS: parseFlags takes no other.
    format: values.format as FileFormat | undefined,
    batch: count('batch', 1000, 100_000),
    rate: values.rate === undefined ? Number.POSITIVE_INFINITY : count('rate', 0, 1_000_000_000),
    retries: count('retries', 10, 1000, 0),
    apiKey: values['api-key'] ?? io.env.LOGFORGE_API_KEY,
    checkpoint: values.checkpoint,
    concurrency,
    connections: concurrency,
  };
  return { settings, files };
}

function readUrl(text: string): URL {
  const url = URL.parse(text);
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url;
  throw new UsageError(`--url is like ${DEFAULT_URL}, not ${JSON.stringify(text)}`);
}

/** Spreads batches so that no more than `rate` records a second go out, counted from the first. */
function createPace(rate: number): (records: number) => Promise<void> {
  let due: number | undefined;
  return async (records) => {
    const now = performance.now();
    due ??= now;
    if (due > now) await sleep(due - now);
    due += (records / rate) * 1000;
  };
}
