import { CLIENTS, MESSAGE_FORMATS } from './version2.ts';
import { ENCODINGS, formatsOf, STREAMS, type Workload } from './workload.ts';

const DURABILITIES = ['disk', 'os'] as const;
/** Who checks the strict schema of LogEntry: nobody, the scanner, or ajv, as when the schema says more than the scanner knows. */
const SCHEMAS = ['none', 'scanner', 'ajv'] as const;

/** The forms of hour files. */
const COMPRESSIONS = ['none', 'zstd'] as const;

/** One row of the table. */
export interface Cell extends Workload {
  /** Events only. */
  readonly schema: (typeof SCHEMAS)[number];
  readonly durability: (typeof DURABILITIES)[number];
  readonly compression: (typeof COMPRESSIONS)[number];
  readonly threads: number;
  /** Records a second on a fixed schedule. Absent: as fast as answers come. */
  readonly rate?: number;
  /** Measured for so many seconds, after so many bytes of requests were accepted. Absent: a short run. */
  readonly sustained?: { readonly seconds: number; readonly afterBytes: number };
  readonly version: 1 | 2;
  /** The load generator; absent: load.ts. */
  readonly by?: 'autocannon';
  /** Version 2 only. */
  readonly client?: (typeof CLIENTS)[number];
  readonly kafkaFormat?: (typeof MESSAGE_FORMATS)[number];
}

const V2 = {
  version: 2,
  stream: 'access',
  schema: 'none',
  format: 'json',
  encoding: 'plain',
  hours: 1,
  durability: 'disk',
  compression: 'none',
  threads: 1,
} as const;

/** The most useful rows: each batch size with and without syncs, then one change at a time. */
function defaultCells(): Cell[] {
  const plain = { ...V2, version: 1 } as const;
  const sizes = [1, 10, 100, 1000].flatMap((batch) =>
    DURABILITIES.map((durability) => ({ ...plain, batch, durability })),
  );
  const queued = CLIENTS.flatMap((client): Cell[] => [
    ...MESSAGE_FORMATS.flatMap((kafkaFormat) => [100, 1000].map((batch) => ({ ...V2, client, kafkaFormat, batch }))),
    { ...V2, client, kafkaFormat: 'ndjson', batch: 100, rate: 50_000 },
  ]);
  return [
    ...sizes,
    { ...plain, batch: 1000, hours: 84 },
    { ...plain, batch: 1000, encoding: 'gzip' },
    { ...plain, batch: 1000, format: 'ndjson' },
    { ...plain, batch: 1000, format: 'csv' },
    { ...plain, batch: 1000, threads: 2 },
    ...[1, 10, 100, 1000].map((batch) => ({ ...plain, batch, compression: 'zstd' }) as const),
    ...(['json', 'ndjson', 'protobuf', 'avro'] as const).map(
      (format) => ({ ...plain, batch: 1000, stream: 'events', format }) as const,
    ),
    ...(['scanner', 'ajv'] as const).map((schema) => ({ ...plain, batch: 1000, stream: 'events', schema }) as const),
    { ...plain, batch: 100, rate: 100_000 },
    ...[1, 100, 1000].map((batch) => ({ ...plain, batch, by: 'autocannon' }) as const),
    ...queued,
  ];
}

function allCells(): Cell[] {
  const ways: Pick<Cell, 'version' | 'client' | 'kafkaFormat'>[] = [
    { version: 1 },
    ...CLIENTS.flatMap((client) =>
      MESSAGE_FORMATS.map((kafkaFormat) => ({ version: 2, client, kafkaFormat }) as const),
    ),
  ];
  const cells: Cell[] = [];
  for (const way of ways)
    for (const stream of STREAMS)
      for (const schema of stream === 'events' ? SCHEMAS : (['none'] as const))
        for (const threads of [1, 2])
          for (const durability of DURABILITIES)
            for (const hours of [1, 84])
              for (const encoding of ENCODINGS)
                for (const format of formatsOf(stream))
                  for (const batch of [1, 10, 100, 1000])
                    for (const compression of COMPRESSIONS)
                      cells.push({
                        ...{ ...way, stream, schema, batch, format, encoding, hours, durability, threads },
                        compression,
                      });
  return cells;
}

/** The properties that select rows, their flags, and the value that counts when only other flags are given. */
const PICKS = [
  { name: 'stream', flag: 'stream', usual: 'access' },
  { name: 'schema', flag: 'schema', usual: 'none' },
  { name: 'batch', flag: 'batch', usual: undefined },
  { name: 'format', flag: 'format', usual: 'json' },
  { name: 'encoding', flag: 'encoding', usual: 'plain' },
  { name: 'hours', flag: 'hours', usual: '1' },
  { name: 'durability', flag: 'durability', usual: 'disk' },
  { name: 'compression', flag: 'compression', usual: 'none' },
  { name: 'threads', flag: 'threads', usual: '1' },
  { name: 'version', flag: 'version', usual: '1' },
  { name: 'client', flag: 'client', usual: undefined },
  { name: 'kafkaFormat', flag: 'kafka-format', usual: 'ndjson' },
] as const;

/** The flags of the command line; `full`: every combination, not only the most useful rows. */
export type CellFlags = {
  readonly [flag in (typeof PICKS)[number]['flag'] | 'rate' | 'by']?: string | undefined;
} & {
  readonly full: boolean;
  /** Only sustained rows. */
  readonly sustained: boolean;
  readonly 'sustained-seconds': string;
  readonly 'after-gb': string;
};

/**
 * With a flag that selects values: all combinations of them. Without: the default rows of one version or both, and the sustained ones of
 * version 1.
 */
export function chooseCells(flags: CellFlags): Cell[] {
  if (flags.sustained) return sustain(flags);
  const { full, by, rate, version = '1' } = flags;
  const isPicking = PICKS.some(({ flag }) => flag !== 'version' && flags[flag] !== undefined);
  const isDefault = !full && !isPicking && by === undefined && rate === undefined;
  return [...chooseShort(flags), ...(isDefault && version.split(',').includes('1') ? sustain(flags) : [])];
}

function sustain(flags: CellFlags): Cell[] {
  const sustained = { seconds: Number(flags['sustained-seconds']), afterBytes: Number(flags['after-gb']) * 1e9 };
  const chosen = chooseShort({ batch: '1000', compression: COMPRESSIONS.join(), ...flags, version: '1', full: false });
  return chosen.map((cell) => ({ ...cell, sustained }));
}

function chooseShort(flags: CellFlags): Cell[] {
  const isPicking = PICKS.some(({ flag }) => flag !== 'version' && flags[flag] !== undefined);
  const queued = flags.client !== undefined || flags['kafka-format'] !== undefined;
  let cells = flags.full || isPicking ? allCells() : defaultCells();
  for (const { name, flag, usual } of PICKS) {
    const assumed = name === 'version' && queued ? '2' : usual;
    const wanted = flags[flag] ?? (isPicking && !flags.full ? assumed : undefined);
    if (wanted === undefined) continue;
    // Properties that only version 2 has do not select rows of version 1.
    cells = cells.filter((cell) => cell[name] === undefined || wanted.split(',').includes(String(cell[name])));
  }
  if (flags.by === 'autocannon') cells = cells.map((cell) => ({ ...cell, by: 'autocannon' }) as const);
  return flags.rate === undefined ? cells : cells.map((cell) => ({ ...cell, rate: Number(flags.rate) }));
}

export function describeCell(cell: Cell): string {
  const { stream, schema, batch, format, encoding, hours, durability } = cell;
  const { threads, rate, version, client, kafkaFormat, by, compression, sustained } = cell;
  const parts = [format, String(batch), durability];
  if (version === 2) parts.unshift(`version 2 by ${client}, ${kafkaFormat} messages`);
  if (stream !== 'access') parts.unshift(stream);
  if (schema !== 'none') parts.push(`schema by ${schema === 'ajv' ? 'ajv' : 'the scanner'}`);
  if (encoding !== 'plain') parts.push(encoding);
  if (compression !== 'none') parts.push(`stored as ${compression}`);
  if (hours !== 1) parts.push(`${hours} hours`);
  if (threads !== 1) parts.push(`${threads} threads`);
  if (by !== undefined) parts.push(`by ${by}`);
  if (sustained !== undefined) parts.push('sustained');
  if (rate !== undefined) parts.push(`at ${rate.toLocaleString('en-US')}/s`);
  return parts.join(' · ');
}
