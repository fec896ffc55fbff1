// A long file: it is one list. Every key is declared here, once: its type, default, limits and description. The types, the names in the
// environment, the messages and the reference in docs/configuration.md are made from this.

import { FILE_FORMATS, type FileFormat } from '../model/file-formats.ts';
import {
  address,
  choice,
  count,
  duration,
  durationOr,
  folder,
  inText,
  list,
  matching,
  objects,
  pipeline,
  quantity,
  section,
  size,
  sizeOr,
  text,
  texts,
  timeOr,
  toggle,
} from './leaves.ts';
import { formatRateLimit, formatWhenFull, formatZone, parseRateLimit, parseWhenFull, parseZone } from './units.ts';

const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

function tls(doc: string) {
  return section(doc, {
    cert: text(
      '',
      'PEM file with the certificate and its chain. Empty: no TLS. Changed files are used within a second, without a restart.',
      {
        empty: true,
      },
    ),
    key: text('', 'PEM file with the private key of the certificate.', { empty: true }),
    clientCa: text(
      '',
      'PEM file with the certificates that sign those of clients. When it is set, a client without such a certificate is refused.',
      { empty: true },
    ),
    minVersion: choice(TLS_VERSIONS, 'TLSv1.2', 'The oldest version of TLS that is accepted.'),
  });
}

const server = section('The HTTP server.', {
  addr: address(
    ':8082',
    'Address to listen on: `host:port`, an IPv6 host in brackets. Without a host: every address. With port 0 the operating system chooses the port.',
  ),
  maxBodyBytes: size(
    '16MiB',
    '1KiB',
    '1GiB',
    'Largest request body, both as sent and as decompressed. A larger one is answered 413.',
  ),
  maxInFlightBytes: size(
    '256MiB',
    '1KiB',
    '64GiB',
    'Bytes of request bodies in flight at once. A request beyond that is answered 503 with `Retry-After` before its body is read. At least `maxBodyBytes`.',
  ),
  requestTimeout: duration(
    '5s',
    '10ms',
    '1h',
    'Longest time from the last byte of a batch to its answer: decode and store. Then 503, and the batch may still be stored.',
  ),
  headersTimeout: duration(
    '2s',
    '10ms',
    '1h',
    'Longest time for a client to send the request line and the headers; then 408.',
  ),
  bodyTimeout: duration('10s', '10ms', '24h', 'Longest time for a client to send the body; then 408.'),
  keepAliveTimeout: duration('60s', '10ms', '24h', 'How long an idle connection stays open.'),
  maxConnections: count(
    10_000,
    1,
    1_000_000,
    'Connections open at once, divided evenly among `threads`. Further ones are closed as soon as they are accepted.',
  ),
  shutdownTimeout: duration(
    '30s',
    '100ms',
    '1h',
    'Time for a whole graceful stop: answer accepted requests, flush, commit.',
  ),
  threads: count(1, 1, 64, 'Threads that read requests. With 1, the main thread reads them.'),
  rateLimit: quantity({
    byDefault: 'off',
    expects: '"off", "100/s" or "100/s burst 500"',
    read: inText(parseRateLimit),
    write: formatRateLimit,
    doc: 'Requests a second for each API key, or for each client address without a key (of IPv6, its /64): `off`, `100/s` (a burst of 100), `100/s burst 500`. Further requests are answered 429 with `Retry-After`.',
  }),
  hosts: list(
    [],
    /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)$/,
    'host names or addresses without a port',
    'Names by which a browser may reach the page and every route but `POST /logs`, `POST /store/batch`, `/health`, `/ready`, `/metrics` and `/ruok`; a request with another `Host` is answered 421. Empty: `localhost`, `127.0.0.1` and `[::1]` where `addr` is a loopback address, otherwise any name.',
  ),
  tls: tls('TLS of the HTTP server.'),
});

const auth = section('Authentication: who may send, read and administer (docs/api.md).', {
  enabled: toggle(false, 'Whether a request needs a key.'),
  headerName: matching(
    'X-API-Key',
    /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/,
    'the name of a header',
    'Header that carries the key. `Authorization: Bearer` is always supported too.',
  ),
  keys: list([], /^[!-~]+$/, 'keys of visible ASCII characters', 'The accepted keys.', true),
  keysFile: text(
    '',
    'A file with one key a line, in addition to `keys`. Blank lines and lines that begin with `#` are skipped.',
    {
      empty: true,
    },
  ),
  readKeys: list(
    [],
    /^[!-~]+$/,
    'keys of visible ASCII characters',
    'The keys of those who read: `GET /analytics`, `GET /records`, `GET /streams`, the data of the page and the event streams. Empty: the keys of `keys` and `keysFile`. Otherwise a key that sends may not read, unless it stands here too.',
    true,
  ),
  adminKeys: list(
    [],
    /^[!-~]+$/,
    'keys of visible ASCII characters',
    'The keys for `/admin/*` and for changes to the schema registry. Empty: the keys of `keys` and `keysFile`.',
    true,
  ),
  metrics: toggle(false, 'Whether `GET /metrics` needs a key of `readKeys`.'),
});

const COMPRESSION = ['none', 'zstd'] as const;
const REST = ['1m', '876000h'] as const;

const storage = section('Folders, durability and the form of hours. Relative paths start at the working directory.', {
  logsDir: folder('logs', 'Records: `YYYY-MM-DD/HH.log.json`, compressed `HH.log.json.zst`.'),
  analyticsDir: folder('analytics', 'Hourly summaries: `YYYY-MM-DD/summary_HH.json`.'),
  stateDir: folder(
    'state',
    'The commit journal and other private state, such as the spool of version 2. It may be backed up, not edited.',
  ),
  dlqDir: folder('dlq', 'Dead letters: `YYYY-MM-DD.ndjson`.'),
  durability: choice(
    ['disk', 'os'],
    'disk',
    '`disk`: synced before the answer; survives a crash of the machine. `os`: survives only a crash of the process.',
  ),
  compression: choice(
    COMPRESSION,
    'none',
    'Form of new hours. `none`: plain lines. `zstd`: compressed as they are written, readable with `zstdcat` at any time. An hour keeps the form that it has.',
  ),
  compressAfter: durationOr(
    ['off'],
    ...REST,
    'A plain hour that has ended and got no record for so long is compressed.',
  ),
  streams: objects('Forms of single streams, the built-in ones too, in the place of those above.', {
    name: matching(
      'unnamed',
      /^[a-z][a-z0-9-]{0,62}$/,
      'the name of a stream',
      'A built-in stream, or one of `streams`.',
    ),
    compression: choice(['inherit', ...COMPRESSION], 'inherit', '`inherit`: `storage.compression`.'),
    compressAfter: durationOr(['inherit', 'off'], ...REST, '`inherit`: `storage.compressAfter`.'),
  }),
  minFreeBytes: sizeOr(
    ['off'],
    '1MiB',
    '1048576GiB',
    'Free space that the file system of `logsDir` should keep: below it the oldest hours of all streams are removed until there is enough (docs/operations.md, Retention). More than the whole file system is ignored, with a warning.',
  ),
});

const AGE = ['1h', '876000h'] as const;
const STORE_SIZE = ['1MiB', '1048576GiB'] as const;

const retention = section(
  'How long records are kept. Whole hours go, the oldest first, and never one that has not ended (docs/operations.md, Retention).',
  {
    maxAge: durationOr(['off'], ...AGE, 'Age at which an hour of a stream is removed, counted from its end.'),
    maxBytes: sizeOr(
      ['off'],
      ...STORE_SIZE,
      'Bytes that the hours of one stream may take on disk; the oldest are removed beyond that.',
    ),
    force: toggle(
      false,
      'Whether hours are removed that a reader still needs, such as the aggregator. Otherwise they wait for it.',
    ),
    summaries: choice(
      ['keep', 'remove'],
      'keep',
      'Whether the summaries of removed hours are kept, or removed too: then also those of hours that were removed before.',
    ),
    interval: duration(
      '1m',
      '1s',
      '24h',
      'Time between two runs that look for hours to remove. The first is at the start.',
    ),
    dlqMaxAge: durationOr(
      ['off'],
      '24h',
      '876000h',
      'Age at which a day of dead letters is removed, counted from its end.',
    ),
    streams: objects('Limits of single streams, the built-in ones too, in the place of those above.', {
      name: matching(
        'unnamed',
        /^[a-z][a-z0-9-]{0,62}$/,
        'the name of a stream',
        'A built-in stream, or one of `streams`.',
      ),
      maxAge: durationOr(['inherit', 'off'], ...AGE, '`inherit`: `retention.maxAge`.'),
      maxBytes: sizeOr(['inherit', 'off'], ...STORE_SIZE, '`inherit`: `retention.maxBytes`.'),
    }),
  },
);

const ingestion = section('Which records are accepted, and for how long keys are remembered.', {
  invalidRecords: choice(
    ['reject', 'skip'],
    'reject',
    '`reject`: a batch with an invalid record is answered 400. `skip`: the valid records are stored and the others go to the dead letters. `?invalid=skip` asks for this in one request.',
  ),
  extraFields: choice(
    ['keep', 'drop'],
    'keep',
    'Whether fields other than `timestamp`, `path` and `userAgent` are stored.',
  ),
  maxRecordBytes: size('256KiB', '128B', '64MiB', 'Longest stored line, its newline included.'),
  maxDepth: count(
    64,
    1,
    1_000,
    'Deepest nesting of a record: 1 is a record of plain values. A deeper record is invalid.',
  ),
  maxBatchBytes: size(
    '64MiB',
    '1KiB',
    '4GiB',
    'Largest batch, as stored lines. A larger one is answered 413, and nothing of it is stored.',
  ),
  maxHoursPerBatch: count(
    1_000,
    1,
    100_000,
    'Hours that the records of one batch may belong to. A batch over more is answered 400, and nothing of it is stored.',
  ),
  minTimestamp: timeOr(
    ['off'],
    'A record with an earlier timestamp is invalid: one from a clock that was never set costs an hour of its own.',
  ),
  maxFuture: durationOr(
    ['off'],
    '1s',
    '876000h',
    'A record whose timestamp is further in the future than this, to the second, is invalid.',
  ),
  emptyUserAgent: choice(
    ['reject', 'dash'],
    'reject',
    'A record of `access` whose `userAgent` is blank: it is invalid, or stored with `-`.',
  ),
  idempotencyWindow: duration('24h', '1s', '8760h', 'How long an `Idempotency-Key` is remembered.'),
  idempotencyMaxKeys: count(
    1_000_000,
    1,
    100_000_000,
    'Idempotency keys that are remembered; beyond that the oldest are forgotten.',
  ),
});

const aggregation = section('Hourly summaries.', {
  enabled: toggle(true, 'Whether summaries are written.'),
  interval: duration('30s', '100ms', '24h', 'Time between two runs of the aggregator.'),
  maxKeys: count(
    1_000_000,
    1,
    100_000_000,
    'Paths, and user agents, that one summary names: the first that came. The requests of later ones are counted in `other`.',
  ),
});

const query = section('Queries over stored records: `GET /records`.', {
  maxConcurrent: count(
    4,
    1,
    256,
    'Queries that run at once, in one thread. 16 more wait for up to 10 s; further ones are answered 503 with `Retry-After`.',
  ),
  timeout: duration(
    '5m',
    '100ms',
    '24h',
    'Longest time of a query, with the time that its client takes to read. Then its connection is closed.',
  ),
});

const logging = section("The service's own log, on standard error.", {
  level: choice(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    'info',
    'The lowest level that is written.',
  ),
  format: choice(['auto', 'json', 'pretty'], 'auto', '`auto`: pretty on a terminal, JSON lines elsewhere.'),
  access: toggle(false, 'Whether each request is logged: method, path without its query, status, time.'),
  stats: durationOr(
    ['off'],
    '1s',
    '1h',
    'How often the figures of the last second are logged as one line: records, bytes, latency, records in flight, drops.',
  ),
  sources: toggle(
    false,
    'Whether records and bytes are counted by the address of the client, and by input: shown in `GET /stats` and on the page, at most 1,000 of them.',
  ),
});

const ssl = section('TLS to the brokers.', {
  enabled: toggle(false, 'Whether to connect by TLS.'),
  caFile: text('', 'PEM file of the trusted certificate authorities; those of the system when empty.', { empty: true }),
  certFile: text('', 'PEM file of the client certificate; needs `keyFile`.', { empty: true }),
  keyFile: text('', 'PEM file of the client key; needs `certFile`.', { empty: true }),
  rejectUnauthorized: toggle(true, 'Whether a broker is refused when its certificate cannot be verified.'),
});

const sasl = section('SASL credentials for the brokers.', {
  mechanism: choice(['none', 'plain', 'scram-sha-256', 'scram-sha-512'], 'none', 'SASL mechanism.'),
  username: text('', 'User name.', { empty: true }),
  password: text('', 'Password. Set it in the environment rather than in the file.', {
    empty: true,
    secret: true,
  }),
});

const kafka = section('The broker. Version 2 only.', {
  brokers: list(
    ['localhost:19092'],
    /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/,
    'host:port',
    'Brokers to connect to first; in the environment separated by commas.',
  ),
  client: choice(['kafkajs', 'platformatic'], 'kafkajs', 'The client library.'),
  topic: matching(
    'logs',
    /^[A-Za-z0-9._-]{1,249}$/,
    'a topic of letters, digits, ".", "_" and "-"',
    'Topic. It is created if missing, and never deleted.',
  ),
  groupID: text('logs-consumer-group', 'Consumer group.'),
  partitions: count(4, 1, 10_000, 'Partitions of the topic, when it is created.'),
  replication: count(1, 1, 100, 'Replicas of each partition, when the topic is created.'),
  format: choice(
    ['ndjson', 'record'],
    'ndjson',
    '`ndjson`: a message holds lines of one hour. `record`: a message holds one record, for consumers of other programs. Both are read.',
  ),
  compression: choice(['none', 'gzip', 'zstd', 'snappy', 'lz4'], 'none', 'Compression of the messages that are sent.'),
  requireAllAcks: toggle(
    true,
    'Whether every in-sync replica must have a batch before it is acknowledged (`acks=all`).',
  ),
  batchBytes: size('900KiB', '1KiB', '64MiB', 'Largest message that waiting batches share.'),
  batchTimeout: duration('2ms', '0ms', '10s', 'How long a batch waits for others that share its send.'),
  consumers: count(1, 0, 64, 'Consumers of this process. With 0 it only sends.'),
  ssl,
  sasl,
});

const queue = section('What happens while the broker is unavailable. Version 2 only.', {
  spool: section('The disk in front of the broker, under `storage.stateDir`.', {
    enabled: toggle(
      true,
      'Whether batches are kept on disk while the broker is unavailable; otherwise they are answered 503.',
    ),
    maxBytes: size('1GiB', '1MiB', '64GiB', 'Largest size of the spool. When it is full, batches are answered 503.'),
  }),
  retries: count(5, 0, 100, 'How often a failed send is tried again, when the spool is off.'),
  retryBackoff: duration('100ms', '1ms', '1m', 'Pause before the first retry. It doubles each time, with jitter.'),
  circuit: section('The circuit breaker.', {
    failures: count(5, 1, 1_000, 'Failures in a row that open the breaker.'),
    cooldown: duration('10s', '10ms', '1h', 'How long it stays open before one batch is sent as a probe.'),
  }),
});

const consumer = section(
  'When consumed messages are stored. Each partition collects what it has consumed and stores it in one commit: at once when the partition has nothing more to read, at a stop and before a rebalance, else by these two limits. Version 2 only.',
  {
    flushBytes: size(
      '4MiB',
      '1KiB',
      '1GiB',
      'Bytes of messages of one partition that are stored as soon as they are collected. Each partition holds at most this and one fetch (4 MiB, or one larger batch) in memory.',
    ),
    flushInterval: duration(
      '500ms',
      '1ms',
      '1m',
      'Longest time that a consumed message waits for more of its partition; then what is collected is stored with the next fetch.',
    ),
  },
);

const registry = section('The schema registry, served under `/registry` (docs/registry.md).', {
  url: matching(
    '',
    /^(?:https?:\/\/[^@\s]+)?$/,
    'an http or https address without user and password',
    "Address of another schema registry, whose schemas are used instead of our own: fetched at the start and every 30 s, and kept on disk. Then `/registry` serves a copy that cannot be changed. Empty: the registry is this service's own.",
  ),
  username: text('', 'User name for `url`.', { empty: true }),
  password: text('', 'Password for `url`. Set it in the environment rather than in the file.', {
    empty: true,
    secret: true,
  }),
  load: text(
    '',
    'Folder of schemas that are registered at a start: `<subject>.avsc`, `<subject>.proto`, `<subject>.json`. A file that cannot be registered is logged and stops nothing.',
    { empty: true },
  ),
});

const store = section('The line store: logs of other machines, kept line by line (docs/store.md).', {
  enabled: toggle(
    false,
    'Whether `logforge serve` has the line store, under `/store`. `logforge store` runs it alone, whatever this says.',
  ),
  path: folder(
    'store/lines.db',
    'Its database, an SQLite file. The files `-wal`, `-shm` and `.lock` beside it belong to it. One process writes to it; others may read it with `logforge store --read-only`.',
  ),
  maxLineBytes: size('1MiB', '1KiB', '64MiB', 'Longest line. A batch with a longer one is answered 400.'),
  maxReaders: count(
    16,
    1,
    1_000,
    'Answers of `GET /store/log` and `/store/files` at once, for each of `server.threads`. Further ones are answered 503 with `Retry-After`.',
  ),
});

const FIELD_NAMES = /^[^\p{Cc}]{1,128}$/u;

const streams = objects('Streams beside `access` and `events`: kinds of records of your own (docs/streams.md).', {
  name: matching(
    'unnamed',
    /^[a-z][a-z0-9-]{0,62}$/,
    'up to 63 of a-z, 0-9 and "-", the first a letter',
    'Name of the stream. Records are sent to `POST /logs/<name>` and stored under `storage.logsDir/<name>`.',
  ),
  required: list(
    [],
    FIELD_NAMES,
    'names of fields',
    'Text fields that every record has beside `timestamp`, in the order in which they are stored.',
  ),
  countBy: list(
    [],
    FIELD_NAMES,
    'names of fields',
    'Up to four fields by whose values the summaries count. A record without such a field counts as `-`.',
  ),
});

/** The types of inputs. */
export const INPUT_TYPES = ['tcp', 'unixsock', 'udp', 'unixgram', 'fifo', 'stdin', 'syslog', 'file'] as const;
/** How an input reads what is in a frame. */
export const INPUT_FORMATS = ['json', 'raw', 'syslog', 'journald', 'auto', 'protobuf', 'avro', 'combined'] as const;
/** Formats that only files have. `ndjson` is `json` here, as for the other inputs. */
export const FORMATS_OF_FILES = FILE_FORMATS.filter(
  (format): format is Exclude<FileFormat, 'combined' | 'ndjson' | 'json'> =>
    !['combined', 'ndjson', 'json'].includes(format),
);
export const INPUT_FRAMINGS = ['newline', 'octet-counted', 'universal'] as const;

const inputs = objects('Ways for records to come in beside HTTP: sockets, pipes and datagrams (docs/inputs.md).', {
  name: matching(
    'unnamed',
    /^[a-z][a-z0-9-]{0,62}$/,
    'up to 63 of a-z, 0-9 and "-", the first a letter',
    'Name of the input, in metrics, the log and dead letters.',
  ),
  type: choice(INPUT_TYPES, 'tcp', 'What it listens to.'),
  stream: matching(
    'events',
    /^[a-z][a-z0-9-]{0,62}$/,
    'the name of a stream',
    'The stream that its records belong to.',
  ),
  format: choice(
    [...INPUT_FORMATS, ...FORMATS_OF_FILES],
    'json',
    'What a frame is. Of `file`: `auto` recognises the format of each file by its content, and there are more (docs/files.md). Of the others `auto` knows JSON, syslog, journald and `time [LEVEL] [service] message` from one another. In `universal` framing each frame says it; an input of type `syslog` takes `auto`.',
  ),
  framing: choice(
    INPUT_FRAMINGS,
    'newline',
    'How frames end in a stream of bytes: `octet-counted` (RFC 6587), or `universal`: a byte for the format (1 JSON, 2 Protobuf, 3 Avro, 4 text) and four for the length.',
  ),
  addr: address('127.0.0.1:0', 'Of `tcp`, `udp` and `syslog`: where it listens.'),
  path: text(
    '',
    'Of `unixsock`, `unixgram` and `fifo`: the path of the socket or the pipe. It is made for its owner alone (mode 0600).',
    {
      empty: true,
    },
  ),
  paths: list(
    [],
    /^[^\p{Cc}]+$/u,
    'paths, with * and ** for names',
    'Of `file`: the files that are followed, such as `/var/log/nginx/*.log`. A file that comes later is followed too.',
  ),
  from: choice(['start', 'end'], 'start', 'Of `file`: where a file begins that is there at the first start.'),
  map: matching(
    '',
    /^(?:[a-z][a-z0-9-]{0,62})?$/,
    'the name of a mapping',
    'Of `file`: the one of `mappings` by which its JSON is read.',
  ),
  fields: choice(
    ['all', 'core'],
    'all',
    'Of `file`: what is kept of a line of an access log: all that it knows, or `timestamp`, `path` and `userAgent` alone.',
  ),
  whenFull: quantity({
    byDefault: 'wait',
    expects: '"wait", "drop" or "sample 1/n"',
    read: inText(parseWhenFull),
    write: formatWhenFull,
    doc: 'At `maxInFlightBytes`: `wait` reads nothing, so that the sender waits (senders of UDP cannot wait: their datagrams are dropped); `drop` forgets what comes; `sample 1/10` keeps every tenth. What is forgotten is counted.',
  }),
  receiveBuffer: size(
    '8MiB',
    '4KiB',
    '1GiB',
    'Of `udp`, `unixgram` and `syslog`: bytes of datagrams that the kernel may keep until they are read. Linux gives at most `net.core.rmem_max`; the log says so.',
  ),
  rateLimit: quantity({
    byDefault: 'off',
    expects: '"off", "100/s" or "100/s burst 500"',
    read: inText(parseRateLimit),
    write: formatRateLimit,
    doc: 'Of `tcp`, `udp` and `syslog`: frames a second of each client address. Further datagrams are dropped; a connection is not read for so long.',
  }),
  maxConnections: count(1_000, 1, 1_000_000, 'Connections open at once. Further ones are closed.'),
  maxFrameBytes: size('256KiB', '64', '64MiB', 'A longer frame becomes a dead letter with its beginning.'),
  maxInFlightBytes: size('16MiB', '64KiB', '4GiB', 'Bytes that were read and are not stored yet.'),
  idleTimeout: durationOr(['off'], '1s', '8760h', 'A connection on which nothing comes for so long is closed.'),
  flushInterval: duration('5ms', '1ms', '1m', 'What comes is stored at the latest after this time.'),
  flushBytes: size('1MiB', '1KiB', '64MiB', 'Or when it is so much.'),
  timestamps: choice(
    ['rfc3339', 'auto'],
    'rfc3339',
    '`auto` takes Unix times, too: seconds, milliseconds, microseconds or nanoseconds by their size.',
  ),
  zone: quantity({
    byDefault: 'arrival',
    expects: '"arrival", "Z" or an offset such as "+02:00"',
    read: inText(parseZone),
    write: formatZone,
    doc: 'The zone of times in text that name none. `arrival`: of RFC 3164 the one in which the time is that of the arrival (60 s before to 5 s after it), else UTC. Set it where it is known: `Z` for senders in UTC.',
  }),
  defaults: texts(
    FIELD_NAMES,
    'texts by name, such as {service: web}',
    'Texts of required fields that a record lacks.',
  ),
  rename: texts(FIELD_NAMES, 'names by name, such as {source: service}', 'Fields that are stored under another name.'),
  tls: tls('TLS of `tcp` and `syslog`.'),
});

const mappings = objects(
  'Where the fields of a record stand in JSON of others (docs/files.md), for `POST /logs?map=name` and inputs of type `file`.',
  {
    name: matching(
      'unnamed',
      /^[a-z][a-z0-9-]{0,62}$/,
      'up to 63 of a-z, 0-9 and "-", the first a letter',
      'Name of the mapping.',
    ),
    fields: texts(
      FIELD_NAMES,
      'places by field, such as {timestamp: ts, path: request.uri}',
      'Where each field stands: names of members, and places in lists, `request.headers.User-Agent[0]`.',
    ),
  },
);

/** The whole configuration. Values go in as written in YAML; they come out as numbers: durations in ms, sizes in bytes. */
export const configSchema = section('', {
  version: pipeline(1, 'The pipeline: 1 stores directly, 2 puts Kafka in between.'),
  server,
  auth,
  storage,
  retention,
  ingestion,
  aggregation,
  query,
  logging,
  kafka,
  queue,
  consumer,
  registry,
  store,
  streams,
  inputs,
  mappings,
});
