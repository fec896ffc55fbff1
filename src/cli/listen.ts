import { LISTEN_TYPES, type ListenCounts, type Listener, type ListenType, startListener } from '../app/listen.ts';
import { createLog } from '../log.ts';
import { type Command, EXIT, type Io, type Options, UsageError } from './command.ts';
import { parseFlags, toAddress } from './parse-flags.ts';
import { printable } from './print.ts';
import { reportStatus } from './status-line.ts';
import { stopSignal } from './stop-signal.ts';

const DEFAULT_OUT = 'aggregated_logs.jsonl';
/** Time of a stop. */
const STOP_MS = 10_000;

/** Where each type takes lines. */
const PLACES: Readonly<Record<ListenType, { readonly flag: 'addr' | 'path'; readonly byDefault: string } | undefined>> =
  {
    unixsock: { flag: 'path', byDefault: 'logforge.sock' },
    tcp: { flag: 'addr', byDefault: '127.0.0.1:9000' },
    unixgram: { flag: 'path', byDefault: 'logforge.dgram' },
    udp: { flag: 'addr', byDefault: '127.0.0.1:9000' },
    fifo: { flag: 'path', byDefault: 'logforge.fifo' },
    stdin: undefined,
  };

const options = {
  addr: { value: 'ADDR', help: 'Of tcp and udp: where to listen. Default 127.0.0.1:9000.' },
  path: {
    value: 'PATH',
    completes: 'file',
    help: 'Of unixsock, unixgram and fifo: the socket or the pipe. Default logforge.sock, logforge.dgram or logforge.fifo in the working directory.',
  },
  out: { value: 'FILE', completes: 'file', help: `The file to append to. Default ${DEFAULT_OUT}.` },
} as const satisfies Options;

export const listen: Command = {
  name: 'listen',
  summary: 'append the JSON lines of a socket or a pipe to a file',
  help: {
    synopsis: [`listen [OPTION]... ${LISTEN_TYPES.join('|')}`],
    description: [
      'Takes lines over one transport and appends them, as they are, to a file, which is synced. Nothing else runs: no HTTP, no streams, no summaries. A line that is no JSON object is counted and not written; only whole lines are written. While the file cannot be written, as on a full disk, the senders wait; those of udp lose what they send, and it is counted.',
      'Sockets and pipes are made for their owner alone (mode 0600), and removed at the end. SIGTERM or SIGINT stops it: what had been sent is read and written. Prints one line on standard output then, and every 10 s, when there is something new, on standard error.',
    ],
    examples: [
      { text: 'A Unix socket, logforge.sock:', command: 'logforge listen unixsock' },
      { text: 'TCP, into another file:', command: 'logforge listen tcp --addr 127.0.0.1:9100 --out app.jsonl' },
      { text: 'The output of a program:', command: './program | logforge listen stdin' },
    ],
    exitCodes: {
      1: 'It could not listen, or not read any more, or lines that had been read could not be written before the end.',
    },
  },
  options,
  completes: LISTEN_TYPES,
  async run(args, io) {
    const { values, positionals } = parseFlags(args, options, { maxPositionals: 1 });
    const type = readType(positionals[0]);
    const place = readPlace(type, values);
    const out = values.out ?? DEFAULT_OUT;
    const say = (text: string) => void io.stderr.write(`logforge listen: ${printable(text)}\n`);
    // A file that reaches RLIMIT_FSIZE is an error of the write; without a listener it ends the process.
    process.on('SIGXFSZ', () => undefined);
    const stopped = stopSignal(process);
    const log = createLog({ level: 'warn', format: 'auto' });
    try {
      const listener = await startListener({ type, place, out, log });
      if (listener.mended !== undefined) say(`${out}: ${listener.mended}`);
      say(`${type} on ${listener.where}, appending to ${out}`);
      const stopReports = reportStatus(async () => describe(await listener.counts()), say);
      const isRead = await Promise.race([stopped, listener.ended]).then(
        () => true,
        (error: unknown) => {
          say(`cannot read ${listener.where}: ${error instanceof Error ? error.message : String(error)}`);
          return false;
        },
      );
      stopReports();
      const status = await finish(listener, io);
      return isRead ? status : EXIT.failure;
    } finally {
      log.close();
    }
  },
};

async function finish(listener: Listener, io: Io): Promise<number> {
  const isClean = await listener.stop(STOP_MS);
  io.stdout.write(`${describe(await listener.counts())}\n`);
  return isClean ? EXIT.ok : EXIT.failure;
}

/** `N lines, M unreadable, dropped K` */
function describe({ lines, unreadable, dropped }: ListenCounts): string {
  return `${lines} lines, ${unreadable} unreadable, dropped ${dropped}`;
}

function readType(word: string | undefined): ListenType {
  const type = LISTEN_TYPES.find((one) => one === word);
  if (type !== undefined) return type;
  const got = word === undefined ? '' : `, got ${JSON.stringify(word)}`;
  throw new UsageError(`expected one of ${LISTEN_TYPES.join(', ')}${got}`);
}

function readPlace(type: ListenType, values: { readonly addr: string | undefined; readonly path: string | undefined }) {
  const place = PLACES[type];
  for (const flag of ['addr', 'path'] as const) {
    if (values[flag] !== undefined && place?.flag !== flag) throw new UsageError(`--${flag} is not for ${type}`);
  }
  if (place === undefined) return {};
  const value = values[place.flag] ?? place.byDefault;
  if (place.flag === 'path') return { path: value };
  return { addr: toAddress(value, place.byDefault) };
}
