import { type Collector, startCollector } from '../app/collect/collect.ts';
import { parseTagRule } from '../transform/tags.ts';
import { PatternError } from '../transform/transform.ts';
import { type Command, EXIT, type Io, type Options, UsageError } from './command.ts';
import { readMap } from './file-options.ts';
import { createSay } from './folded-messages.ts';
import { parseFlags, toAddress, toCount, toZone } from './parse-flags.ts';
import { count, number } from './progress.ts';
import { readService, SERVICE_ENVIRONMENT, serviceOptions } from './service-options.ts';
import { reportStatus } from './status-line.ts';
import { stopSignal } from './stop-signal.ts';

const MAX_PATTERNS = 10_000;
const DEFAULTS = { outputDir: 'collected_logs', batchSize: '20', batchInterval: '5', addr: ':5000' } as const;
const FORMATS = { auto: undefined, text: 'text', json: 'ndjson' } as const;
const MAX_BATCH = 1_000_000;
/** Seconds. */
const MAX_INTERVAL = 3_600;
/** Time of a stop. */
const STOP_MS = 20_000;

const options = {
  'log-files': {
    value: 'FILE',
    completes: 'file',
    help: 'A file to follow, with *, ? and ** for names; more may follow it, and the flag may be given again.',
  },
  'log-format': {
    value: 'FORMAT',
    choices: Object.keys(FORMATS),
    help: 'text, json (a JSON object on each line), or auto: recognised for each file by its content. Default auto.',
  },
  map: {
    value: 'MAP',
    help: "Where the fields stand in lines of JSON: timestamp=time,level=severity,message=msg,service='k8s.app'. May be given several times. What it does not name is not kept (docs/files.md, Maps).",
  },
  filter: { value: 'RE', help: 'Collect only lines that match this regular expression, in the syntax of RE2.' },
  tag: {
    value: 'NAME=RE',
    help: 'Records whose message matches get this tag, by the first rule of all that matches; others get general. Default auth=login, payment=checkout, api=API.',
  },
  'output-dir': {
    value: 'DIR',
    completes: 'directory',
    help: `Records are appended to collected.jsonl in this folder, and unreadable lines to rejects.jsonl. Default ${DEFAULTS.outputDir}.`,
  },
  'storage-url': { value: 'URL', help: 'Send the records to the stream events of this service instead.' },
  'api-key': serviceOptions['api-key'],
  ca: serviceOptions.ca,
  cert: serviceOptions.cert,
  key: serviceOptions.key,
  insecure: serviceOptions.insecure,
  'batch-size': {
    value: 'N',
    help: `Lines that are stored together; of a service, also the most in one request. Default ${DEFAULTS.batchSize}.`,
  },
  'batch-interval': {
    value: 'SECONDS',
    help: `A line waits for others at most so long. Default ${DEFAULTS.batchInterval}.`,
  },
  addr: { value: 'ADDR', help: `Where the page, /stats, /metrics and /health are served. Default ${DEFAULTS.addr}.` },
  checkpoint: {
    value: 'FILE',
    completes: 'file',
    help: 'Remembers how far each file is collected. Default collect.checkpoint in the folder.',
  },
  service: { value: 'NAME', help: 'The service of text that names none. Default raw.' },
  zone: { value: 'ZONE', help: 'The zone of times that name none: Z, or an offset such as +02:00. Default Z.' },
} as const satisfies Options;

export const collect: Command = {
  name: 'collect',
  summary: 'follow log files, filter and tag their records, and store each once',
  help: {
    synopsis: ['collect [OPTION]... --log-files FILE...'],
    description: [
      'Follows files of text and JSON lines for ever and collects their records: those that match --filter, with a tag by their message, in a folder or at a service. Files may be rotated. A kill at any moment loses nothing and doubles nothing.',
      'Text is "time [LEVEL] [service] message" or "time [LEVEL] service [request] [user] (12ms): message". A line that cannot be read is counted, and goes to rejects.jsonl with its file, number and reason.',
      'The page at --addr shows totals, levels, tags, unreadable lines, sources and the last records. SIGTERM or SIGINT stores what was read, prints a summary and stops.',
    ],
    examples: [
      {
        text: 'Into collected_logs/collected.jsonl:',
        command: 'logforge collect --log-files app.log "/var/log/app/*.log"',
      },
      {
        text: 'Warnings and errors to a central storage:',
        command: 'logforge collect --log-files app.log --filter "WARN|ERROR" --storage-url http://127.0.0.1:8082',
      },
      {
        text: 'Tags of your own:',
        command: 'logforge collect --log-files app.log --tag db=query --tag web="GET|POST"',
      },
    ],
    exitCodes: {
      1: 'It could not start, or what had been read could not be stored before the end. The next run stores it.',
    },
    environment: SERVICE_ENVIRONMENT,
  },
  options,
  completes: 'file',

  async run(args, io) {
    const settings = readArguments(args, io);
    const stopped = stopSignal(process);
    const say = createSay(io, 'collect');
    const collector = await startCollector({ ...settings, notify: say }).catch((error: unknown) => {
      throw error instanceof PatternError ? new UsageError(error.message) : error;
    });
    const { about } = collector.stats();
    say(`${about}; page on http://${collector.addr}/`);
    if (isOpen(collector))
      say('the page has records, and answers whoever reaches this machine; --addr 127.0.0.1:5000 keeps it here');
    const stopReports = reportStatus(() => describe(collector), say);
    await stopped;
    stopReports();
    const isClean = await collector.stop(STOP_MS);
    io.stdout.write(`${describe(collector)}\n`);
    return isClean ? EXIT.ok : EXIT.failure;
  },
};

function readArguments(args: readonly string[], io: Io) {
  const { values, every, positionals } = parseFlags(args, options, { maxPositionals: MAX_PATTERNS });
  const patterns = [...(every['log-files'] ?? []), ...positionals];
  if (patterns.length === 0) throw new UsageError('a file is missing: give --log-files FILE');
  if (patterns.includes('-')) throw new UsageError('standard input cannot be followed');
  const outputDir = values['output-dir'] ?? DEFAULTS.outputDir;
  const url = values['storage-url'];
  const tags = every.tag ?? [];
  if (values.map !== undefined && values['log-format'] === 'text') {
    throw new UsageError('--map is for JSON: --log-format text has fields of its own');
  }
  return {
    patterns,
    readAs: {
      format: FORMATS[values['log-format'] as keyof typeof FORMATS],
      zone: toZone(values.zone ?? 'Z'),
      fields: 'all' as const,
      map: readMap(every.map ?? []),
      needsTime: true,
      ...(values.service !== undefined && { service: values.service }),
    },
    filter: values.filter,
    tagRules: tags.length === 0 ? undefined : tags.map(readTagRule),
    outputDir,
    service: url === undefined ? undefined : readService({ ...values, url }, io, '', 'storage-url'),
    batchSize: toCount('batch-size', values['batch-size'] ?? DEFAULTS.batchSize, { min: 1, max: MAX_BATCH }),
    batchIntervalMs: readInterval(values['batch-interval'] ?? DEFAULTS.batchInterval),
    addr: toAddress(values.addr ?? DEFAULTS.addr, DEFAULTS.addr),
    checkpoint: values.checkpoint,
  };
}

function readTagRule(text: string) {
  try {
    return parseTagRule(text);
  } catch (error) {
    throw new UsageError(`--tag: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readInterval(text: string): number {
  const seconds = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds <= MAX_INTERVAL) return seconds * 1_000;
  throw new UsageError(`--batch-interval must be seconds from 0 to ${MAX_INTERVAL}, got ${JSON.stringify(text)}`);
}

/** Whether every address of the machine answers. */
function isOpen({ addr }: Collector): boolean {
  return addr.startsWith('[::]:') || addr.startsWith('0.0.0.0:');
}

/** `1,234 records collected of 3 files (auth 12, general 1,222), 2 lines unreadable, 0 filtered out, 0 refused` */
function describe(collector: Collector): string {
  const { total, files, tags, parsing_errors, filtered, refused } = collector.stats();
  const byTag = Object.entries(tags).map(([tag, records]) => `${tag} ${number(records)}`);
  const tagged = byTag.length === 0 ? '' : ` (${byTag.slice(0, 20).join(', ')})`;
  return [
    `${count(total, 'record')} collected of ${count(files, 'file')}${tagged}`,
    `${count(parsing_errors, 'line')} unreadable`,
    `${number(filtered)} filtered out`,
    `${number(refused)} refused`,
  ].join(', ');
}
