import { type ListenAddress, parseAddress } from '../config/units.ts';
import type { Format, Framing, RecordKind, Transport } from '../generate/generate.ts';
import type { HostPort } from '../generate/send/connect.ts';
import { ACCESS_STREAM, isStreamName, type StreamName } from '../model/stream.ts';
import { UsageError } from './command.ts';
import { type GenerateFlags, readPorts } from './generate-flags.ts';
import { hasTlsFlags } from './service-options.ts';

/** What is sent, and how. */
export interface GeneratePlan {
  readonly transport: Transport;
  readonly format: Format;
  readonly framing: Framing;
  readonly records: RecordKind;
  readonly stream: StreamName;
  /** For tcp, tls and udp. */
  readonly to: HostPort;
  /** For unixsock, unixgram, fifo and file. */
  readonly path: string;
}

const BINARY: readonly Format[] = ['proto', 'avro'];
const BODY_FORMATS: readonly Format[] = ['json', 'ndjson', 'csv', 'proto', 'avro'];
const DATAGRAMS: readonly Transport[] = ['udp', 'unixgram'];

const PATHS: Readonly<Partial<Record<Transport, string>>> = {
  unixsock: 'logforge.sock',
  unixgram: 'logforge.dgram',
  fifo: 'logforge.fifo',
  file: 'generated.log',
};
const LOOPBACK = '127.0.0.1';
const DEFAULT_PORT = 9000;
/** Those of older programs. A certificate is of a name, so tls has one. */
const TLS: HostPort = { host: 'localhost', port: 3001 };
const OLD_UDP: HostPort = { host: LOOPBACK, port: 3002 };

/** Flags that only these transports have. The ports of older programs fit all. */
const FITTING: Readonly<Partial<Record<keyof GenerateFlags, readonly Transport[]>>> = {
  addr: ['tcp', 'tls', 'udp'],
  path: ['unixsock', 'unixgram', 'fifo', 'file'],
  rotate: ['file'],
  keep: ['file'],
  url: ['http'],
  'api-key': ['http'],
};

/** Resolves the flags with their defaults. Throws UsageError where they do not go together. */
export function readPlan(flags: GenerateFlags): GeneratePlan {
  const transport = readTransport(flags);
  refuseUnfitting(flags, transport);
  // parseFlags accepts no other values.
  const format = (flags.format ?? 'json') as Format;
  const stream = flags.stream ?? ACCESS_STREAM.name;
  if (!isStreamName(stream))
    throw new UsageError(`--stream must be the name of a stream, got ${JSON.stringify(stream)}`);
  if (flags.stream !== undefined && transport !== 'http')
    throw new UsageError(`--stream is for --transport http; an input of ${transport} has a stream of its own`);
  const framing = readFraming(flags, transport, format);
  const records = readRecords(flags, { transport, format, stream });
  return {
    transport,
    format,
    framing,
    records,
    stream,
    to: readTarget(flags, transport),
    path: flags.path ?? PATHS[transport] ?? '',
  };
}

function readTransport({ transport, udp, url, stream }: GenerateFlags): Transport {
  if (udp && transport !== undefined && transport !== 'udp')
    throw new UsageError(`give --udp or --transport ${transport}, not both`);
  if (udp) return 'udp';
  const byDefault = url === undefined && stream === undefined ? 'tls' : 'http';
  return (transport ?? byDefault) as Transport;
}

function refuseUnfitting(flags: GenerateFlags, transport: Transport): void {
  for (const [flag, transports] of Object.entries(FITTING)) {
    if (flags[flag as keyof GenerateFlags] !== undefined && !transports.includes(transport))
      throw new UsageError(`--${flag} is not for ${transport}; it is for ${transports.join(', ')}`);
  }
  if (transport !== 'tls' && transport !== 'http' && hasTlsFlags(flags))
    throw new UsageError(
      `--ca, --cert, --key and --insecure are for --transport tls, and for http with an https --url, not for ${transport}`,
    );
}

function readFraming(flags: GenerateFlags, transport: Transport, format: Format): Framing {
  const isBinary = BINARY.includes(format);
  const asked = flags.framing as Framing | undefined;
  if (transport === 'http') {
    if (asked !== undefined) throw new UsageError('--framing is for streams; http has bodies');
    if (!BODY_FORMATS.includes(format))
      throw new UsageError(`POST /logs does not take ${format}; --format may be ${BODY_FORMATS.join(', ')}`);
    return 'body';
  }
  const isDatagram = DATAGRAMS.includes(transport);
  if (isDatagram && asked !== undefined && asked !== 'newline')
    throw new UsageError(`--framing ${asked} is for streams; datagrams of ${transport} hold lines`);
  // An input takes a datagram that begins with < as one message: of several the others would be part of the first.
  const isSingle = isDatagram && format === 'syslog';
  if (isSingle && asked !== undefined)
    throw new UsageError(`--framing ${asked} is for lines; a datagram holds one message of syslog`);
  const byDefault = isBinary || transport === 'tls' ? 'universal' : 'newline';
  const framing = asked ?? (isSingle ? 'single' : isDatagram ? 'newline' : byDefault);
  if (format === 'csv' && transport === 'tls' && asked === undefined)
    throw new UsageError(
      '--format csv is not for the universal port: the universal port has no csv; give --framing newline for an input of lines',
    );
  if (isBinary && framing === 'newline')
    throw new UsageError(`--format ${format} is not text: send it over a stream with --framing universal, or by http`);
  if (format === 'csv' && (framing !== 'newline' || isDatagram))
    throw new UsageError(
      '--format csv has a header above its rows: send it over a stream with --framing newline, or by http',
    );
  return framing;
}

function readRecords(
  flags: GenerateFlags,
  { transport, format, stream }: Pick<GeneratePlan, 'transport' | 'format' | 'stream'>,
): RecordKind {
  const isAccess = format === 'combined' || (transport === 'http' && stream === ACCESS_STREAM.name);
  const isJson = format === 'json' || format === 'ndjson';
  const isPlain = transport !== 'http' && transport !== 'tls' && !flags.udp;
  const isProducer = flags.size !== undefined && isJson && isPlain;
  const byDefault = isAccess ? 'access' : isProducer ? 'producer' : 'events';
  const records = (flags.records ?? byDefault) as RecordKind;
  if (format === 'combined' && records !== 'access')
    throw new UsageError(`--format combined is for --records access, not for ${records}`);
  if (flags.size !== undefined && records === 'access')
    throw new UsageError('--size is the length of a message, which access records do not have; give --records events');
  return records;
}

function readTarget(flags: GenerateFlags, transport: Transport): HostPort {
  const byDefault = transport === 'tls' ? TLS : flags.udp ? OLD_UDP : { host: LOOPBACK, port: DEFAULT_PORT };
  const ports = readPorts(flags);
  const port = transport === 'udp' ? ports.udp : ports.tcp;
  if (flags.addr === undefined) return { host: flags.address ?? byDefault.host, port: port ?? byDefault.port };
  if (flags.address !== undefined || port !== undefined)
    throw new UsageError('give --addr, or --address and a port, not both');
  const address: ListenAddress | undefined = parseAddress(flags.addr);
  if (address === undefined || address.port === 0)
    throw new UsageError(`--addr must be HOST:PORT such as 127.0.0.1:9000, got ${JSON.stringify(flags.addr)}`);
  return { host: address.host ?? byDefault.host, port: address.port };
}
