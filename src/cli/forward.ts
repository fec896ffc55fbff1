import { hostname } from 'node:os';
import { type ForwardCounts, PROTOCOLS, startForwarder } from '../app/files/forward.ts';
import { parseSize } from '../config/units.ts';
import { COMPRESSIONS } from '../outputs/http/service-sender.ts';
import { type Command, EXIT, type Io, type Options, UsageError } from './command.ts';
import { fileOptions, readFileOptions } from './file-options.ts';
import { createSay } from './folded-messages.ts';
import { parseFlags, toAddress } from './parse-flags.ts';
import { count, number } from './progress.ts';
import { readService, SERVICE_ENVIRONMENT, serviceOptions } from './service-options.ts';
import { reportStatus } from './status-line.ts';
import { stopSignal } from './stop-signal.ts';

const MAX_PATTERNS = 10_000;
const DEFAULT_CHECKPOINT = 'logforge-forward.checkpoint';
/** Time of a stop. The unit in deploy/systemd gives it more. */
export const FORWARD_STOP_MS = 20_000;
const MIN_IN_FLIGHT = '1MiB';

/** The checkpoint tells files apart, so there is no --source. */
const { rejects: _rejects, source: _source, ...readOptions } = fileOptions;

const options = {
  to: {
    value: 'URL',
    help: 'The service, such as http://logs.example.com:8082. Without it the first argument is the URL.',
  },
  'api-key': serviceOptions['api-key'],
  ca: serviceOptions.ca,
  cert: serviceOptions.cert,
  key: serviceOptions.key,
  insecure: serviceOptions.insecure,
  protocol: {
    value: 'PROTOCOL',
    choices: PROTOCOLS,
    help: 'logs: records, to POST /logs. store: lines as they are, to POST /store/batch of a line store. Default logs.',
  },
  ...readOptions,
  from: {
    value: 'WHERE',
    choices: ['start', 'end'],
    help: 'Where files begin that are there at the first start. Later ones begin at their start. Default start.',
  },
  checkpoint: {
    value: 'FILE',
    completes: 'file',
    help: `Remembers how far each file is sent. Default ${DEFAULT_CHECKPOINT} in the working directory.`,
  },
  rejects: {
    value: 'FILE',
    completes: 'file',
    help: 'Lines that cannot be read are appended to this file. Default: the checkpoint, with .rejects.ndjson.',
  },
  'dead-letters': {
    value: 'FILE',
    completes: 'file',
    help: 'Records that the service refuses are appended to this file, which logforge dlq --file reads. Default: the checkpoint, with .dead.ndjson.',
  },
  compression: {
    value: 'HOW',
    choices: COMPRESSIONS,
    help: `Of what is sent: ${COMPRESSIONS.join(', ')}. Default none.`,
  },
  host: {
    value: 'NAME',
    help: 'Of --protocol store: the name under which the lines of this host are kept. Default: as the system says.',
  },
  addr: {
    value: 'ADDR',
    help: 'Answer GET /metrics (Prometheus), /stats and /health here, such as 127.0.0.1:9464. Default: nowhere.',
  },
  'max-in-flight': { value: 'SIZE', help: 'Bytes that are read and not acknowledged, at most. Default 32MiB.' },
} as const satisfies Options;

export const forward: Command = {
  name: 'forward',
  summary: 'follow log files and send what is appended to them, each line once',
  help: {
    synopsis: ['forward [OPTION]... [--to] URL FILE...'],
    description: [
      'Follows files for ever and sends their records to a service. FILE may have *, ? and ** for names; files that come later are followed too. Quote it, so that the shell leaves it, and let it match the rotated names. A file is known by its content, so one that is rotated by renaming, by copying and truncating, or by compression is neither lost nor sent twice.',
      'What was sent is remembered in the checkpoint when the service has acknowledged it, and each batch has an Idempotency-Key of its place in its file: a kill of either side at any moment loses nothing and doubles nothing. While the service is unavailable the files wait; no more than --max-in-flight is kept in memory.',
      'Lines that cannot be read, and records that the service refuses for their own sake, go to files beside the checkpoint, and the rest goes on. SIGTERM or SIGINT sends what was read and stops. Prints its state every 10 s, when there is something new, on standard error.',
    ],
    examples: [
      {
        text: 'The access logs of nginx:',
        command: 'logforge forward http://127.0.0.1:8082 "/var/log/nginx/*access.log*"',
      },
      {
        text: 'Over TLS, compressed:',
        command: 'logforge forward --to https://logs.example.com --compression zstd /var/log/nginx/access.log',
      },
      {
        text: 'Lines as they are, to a line store (logforge store):',
        command: 'logforge forward --protocol store http://127.0.0.1:3000 test1.txt',
      },
    ],
    exitCodes: {
      1: 'It could not start, or what had been read could not be sent before the end. The next run sends it.',
    },
    environment: SERVICE_ENVIRONMENT,
  },
  options,
  completes: 'file',

  async run(args, io) {
    const settings = readArguments(args, io);
    const stopped = stopSignal(process);
    const say = createSay(io, 'forward');
    const forwarder = await startForwarder({ ...settings, report: { notify: say } });
    say(`${settings.patterns.join(', ')} to ${settings.url.origin}; position in ${settings.checkpoint}`);
    if (settings.protocol === 'store') for (const url of forwarder.downloads()) say(`download ${url}`);
    const stopReports = reportStatus(() => describe(forwarder.counts()), say);
    await stopped;
    stopReports();
    const isClean = await forwarder.stop(FORWARD_STOP_MS);
    io.stdout.write(`${describe(forwarder.counts())}\n`);
    return isClean ? EXIT.ok : EXIT.failure;
  },
};

function readArguments(args: readonly string[], io: Io) {
  const { values, positionals, every } = parseFlags(args, options, { maxPositionals: MAX_PATTERNS });
  const [first] = positionals;
  const isFirst = values.to === undefined && first !== undefined && /^https?:\/\//.test(first);
  const url = isFirst ? first : values.to;
  if (url === undefined) throw new UsageError('where to send is missing: a URL such as http://127.0.0.1:8082');
  const patterns = isFirst ? positionals.slice(1) : positionals;
  if (patterns.length === 0) throw new UsageError('a file is missing');
  if (patterns.includes('-')) throw new UsageError('standard input cannot be followed; use logforge replay -');
  const checkpoint = values.checkpoint ?? DEFAULT_CHECKPOINT;
  const size = values['max-in-flight'] ?? '32MiB';
  const maxInFlightBytes = parseSize(size) ?? 0;
  if (maxInFlightBytes < (parseSize(MIN_IN_FLIGHT) ?? 0)) {
    throw new UsageError(`--max-in-flight must be a size of at least ${MIN_IN_FLIGHT}, got ${JSON.stringify(size)}`);
  }
  const protocol = PROTOCOLS.find((one) => one === values.protocol) ?? 'logs';
  const settings = {
    ...readService({ ...values, url: withoutRoute(url) }, io, '', 'to'),
    ...readFileOptions({ ...values, rejects: undefined, source: undefined }, every.map),
    protocol,
    patterns,
    from: values.from === 'end' ? ('end' as const) : ('start' as const),
    compression: COMPRESSIONS.find((one) => one === values.compression) ?? 'none',
    host: values.host ?? hostname(),
    checkpoint,
    rejects: values.rejects ?? `${checkpoint}.rejects.ndjson`,
    deadLetters: values['dead-letters'] ?? `${checkpoint}.dead.ndjson`,
    maxInFlightBytes,
    addr: values.addr === undefined ? undefined : toAddress(values.addr, '127.0.0.1:9464'),
  };
  if (protocol === 'store' && settings.compression !== 'none') {
    throw new UsageError('--compression is not for --protocol store');
  }
  return settings;
}

/** Older forwarders are given the whole address of a batch. */
function withoutRoute(text: string): string {
  const url = URL.parse(text);
  if (url === null) return text;
  url.pathname = url.pathname.replace(/\/(store(\/batch)?|logs)\/?$/, '');
  return url.href;
}

/** `3 files, 1,234 records sent (10 known before), 2 lines unreadable, 0 refused, 512 bytes behind` */
function describe({ files, sent, duplicates, unreadable, refused, lagBytes }: ForwardCounts): string {
  const known = duplicates > 0 ? ` (${number(duplicates)} known before)` : '';
  return [
    count(files, 'file'),
    `${count(sent, 'record')} sent${known}`,
    `${count(unreadable, 'line')} unreadable`,
    `${number(refused)} refused`,
    `${count(lagBytes, 'byte')} behind`,
  ].join(', ');
}
