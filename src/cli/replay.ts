import { access, constants } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ACCESS_STREAM, EVENTS_STREAM, isStreamName } from '../model/stream.ts';
import { type Command, EXIT, type Io, type Options, UsageError } from './command.ts';
import { parseFlags, toCount } from './parse-flags.ts';
import { noCheckpoint, openCheckpoint } from './replay-checkpoint.ts';
import { replayFile } from './replay-file.ts';
import { FILE_FORMATS, type FileFormat } from './replay-formats.ts';
import { createReport } from './replay-report.ts';
import { createSender } from './replay-sender.ts';
import { readService, SERVICE_ENVIRONMENT, serviceOptions } from './service-options.ts';

const MAX_FILES = 10_000;

const options = {
  ...serviceOptions,
  stream: { value: 'NAME', help: 'The stream that the records belong to. Default access.' },
  format: {
    value: 'FORMAT',
    choices: FILE_FORMATS,
    help: 'Format of the files: combined, ndjson, json (one array) or csv. By default it is recognised for each file by its first bytes and its name.',
  },
  batch: { value: 'N', help: 'Records in a request. Default 1000.' },
  rate: { value: 'N', help: 'Records a second, at most. Default: as fast as the service accepts them.' },
  concurrency: {
    value: 'N',
    help: 'Requests at once. Default 1, which keeps the order of the file; more are faster.',
  },
  checkpoint: {
    value: 'PATH',
    completes: 'file',
    help: 'Remember the position in each FILE in this file, and continue from there the next time.',
  },
  retries: { value: 'N', help: 'How often a batch is sent again, in a row, before the command gives up. Default 10.' },
} as const satisfies Options;

export const replay: Command = {
  name: 'replay',
  summary: 'send an existing log file to a running service',
  help: {
    synopsis: ['replay [OPTION]... FILE...', 'replay [OPTION]... -'],
    description: [
      'Reads log files, or standard input for -, and sends their records to POST /logs, or to POST /logs/NAME with --stream, in batches. A file may be of any size; a file whose name ends in .gz is decompressed. Lines that cannot be read are counted, listed by number and left out.',
      'Every batch is sent with an Idempotency-Key made from the content of the file up to its end. So a replay may be run again with the same --batch, for example after an interruption: no batch is stored twice, as long as the service remembers the keys (ingestion.idempotencyWindow, 24h). With --checkpoint, batches that the service accepted are not sent again, and a file that has grown is read on from its old end.',
      'While the service is busy or unavailable (429, 5xx, no connection), a batch is sent again after longer and longer pauses, and never before the time that the service asks for.',
      'Prints one line on standard output at the end: what was sent, what could not be read, and how long it took.',
    ],
    examples: [
      { text: 'An access log of Apache or nginx:', command: 'logforge replay /var/log/nginx/access.log' },
      {
        text: 'Many files; an interrupted run can be continued:',
        command: 'logforge replay --checkpoint replay.json access.log.*.gz',
      },
      { text: 'Events of an application:', command: 'logforge replay --stream events app.ndjson' },
      {
        text: 'From a pipe, slowly:',
        command: 'zstdcat access.log.zst | logforge replay --format combined --rate 5000 -',
      },
    ],
    exitCodes: {
      1: 'A file could not be read, no record could be read, or the service refused a batch or was unavailable. What was counted up to then is stored.',
    },
    environment: SERVICE_ENVIRONMENT,
  },
  options,
  completes: 'file',

  async run(args, io) {
    const { settings, files } = readArguments(args, io);
    for (const file of files) if (file !== '-') await access(file, constants.R_OK);
    const checkpoint =
      settings.checkpoint === undefined ? noCheckpoint : await openCheckpoint(settings.checkpoint, settings.stream);
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
  if (files.length === 0) throw new UsageError('a file is missing; - is standard input');
  if (files.filter((file) => file === '-').length > 1) throw new UsageError('standard input can be read only once');
  if (files.includes('-') && values.checkpoint !== undefined) {
    throw new UsageError('--checkpoint needs files: a replay of standard input cannot be continued');
  }
  const count = (flag: 'batch' | 'concurrency' | 'retries' | 'rate', byDefault: number, max: number, min = 1) => {
    const text = values[flag];
    return text === undefined ? byDefault : toCount(flag, text, { min, max });
  };
  const stream = values.stream ?? ACCESS_STREAM.name;
  if (!isStreamName(stream))
    throw new UsageError(`--stream must be the name of a stream, got ${JSON.stringify(stream)}`);
  if (stream === EVENTS_STREAM.name && values.format === 'combined') {
    throw new UsageError('--format combined has no events: its records belong to access');
  }
  const concurrency = count('concurrency', 1, 64);
  const settings = {
    ...readService(values, io, ''),
    stream,
    // One of FILE_FORMATS: parseFlags accepts no other.
    format: values.format as FileFormat | undefined,
    batch: count('batch', 1000, 100_000),
    rate: values.rate === undefined ? Number.POSITIVE_INFINITY : count('rate', 0, 1_000_000_000),
    retries: count('retries', 10, 1000, 0),
    checkpoint: values.checkpoint,
    concurrency,
    connections: concurrency,
  };
  return { settings, files };
}

/** Delays batches so that at most `rate` records a second are sent, counted from the first. */
function createPace(rate: number): (records: number) => Promise<void> {
  let due: number | undefined;
  return async (records) => {
    const now = performance.now();
    due ??= now;
    if (due > now) await sleep(due - now);
    due += (records / rate) * 1000;
  };
}
