/** What is measured: the rows of the comparison of transports. */

/** In the order of the tables. `tls` is TCP with TLS; `http` stands only beside one connection a record. */
export const TRANSPORTS = ['unixsock', 'tcp', 'tls', 'unixgram', 'udp', 'fifo', 'http'] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** Bytes of a record, its newline included. */
export const SIZES = [100, 1_000, 8_000] as const;
export const PRODUCERS = [1, 5] as const;

export type Part =
  | 'main'
  | 'latency'
  | 'calls'
  | 'os'
  | 'writes'
  | 'connections'
  | 'packed'
  | 'curve'
  | 'cost'
  | 'mixed';

/** One row. It is measured in a run of its own, by processes of its own, into an empty store. */
export interface Cell {
  /** The table that it belongs to. */
  readonly part: Part;
  readonly transport: Transport;
  readonly size: number;
  /** Processes that send. */
  readonly producers: number;
  /** Records of one write or datagram. */
  readonly recordsPerSend: number;
  readonly connection: 'kept' | 'each';
  readonly durability: 'disk' | 'os';
  /** Records a second of all producers. Absent: as fast as it goes. */
  readonly rate?: number;
}

/** Bytes that a sender with a buffer writes at once into a stream. */
const BLOCK_BYTES = 64 * 1024;
/** The longest write into a pipe that another writer's never cuts: PIPE_BUF of Linux, pipe(7). */
export const PIPE_BUF = 4_096;
/** Records of 100 bytes that fit into a datagram of 1,400 bytes. */
export const PACKED = 14;
/** Records of 100 bytes in a write that is longer than a pipe. */
export const MIXED = 1_000;
/** Of all producers together: modest, so that nothing queues. */
export const LATENCY_RATE = 2_000;
/** One sender, a write a record: less than any transport can, so that none waits and none loses. */
export const COST_RATE = 20_000;
const CURVE_RATES = Array.from({ length: 10 }, (_, i) => (i + 1) * 100_000);
const SMALL = SIZES[0];

const MAIN: readonly Transport[] = ['unixsock', 'tcp', 'tls', 'unixgram', 'udp', 'fifo'];

export function isDatagram(transport: Transport): boolean {
  return transport === 'unixgram' || transport === 'udp';
}

/** A sender with a buffer fills its writes, as far as its transport allows. */
function recordsPerBlock(transport: Transport, size: number, producers: number): number {
  if (isDatagram(transport)) return 1;
  const bytes = transport === 'fifo' && producers > 1 ? PIPE_BUF : BLOCK_BYTES;
  return Math.max(1, Math.floor(bytes / size));
}

/** Names of transports with commas between. Throws where there is none of a name. */
export function readTransports(names: string): Transport[] {
  return names.split(',').map((name) => {
    const found = TRANSPORTS.find((transport) => transport === name);
    if (found === undefined) throw new Error(`there is no transport ${name}; there are ${TRANSPORTS.join(', ')}`);
    return found;
  });
}

/** All rows. `quick`: one size. */
export function listCells({
  quick,
  only,
}: {
  readonly quick: boolean;
  readonly only: readonly Transport[] | undefined;
}): Cell[] {
  const sizes = quick ? [SMALL] : SIZES;
  const base = { recordsPerSend: 1, connection: 'kept', durability: 'disk' } as const;
  const one = { ...base, size: SMALL, producers: 1 };
  const grid = MAIN.flatMap((transport) =>
    sizes.flatMap((size) =>
      PRODUCERS.map((producers): Omit<Cell, 'part'> => {
        const recordsPerSend = recordsPerBlock(transport, size, producers);
        return { ...base, transport, size, producers, recordsPerSend };
      }),
    ),
  );
  const cells: Cell[] = [
    ...grid.map((cell): Cell => ({ ...cell, part: 'main' })),
    ...grid.map((cell): Cell => ({ ...cell, part: 'latency', recordsPerSend: 1, rate: LATENCY_RATE })),
    ...grid.filter(({ producers }) => producers === 1).map((cell): Cell => ({ ...cell, part: 'calls' })),
    ...grid.map((cell): Cell => ({ ...cell, part: 'os', durability: 'os' })),
    // A datagram of one record is what their main rows are.
    ...MAIN.filter((transport) => !isDatagram(transport)).flatMap((transport) =>
      PRODUCERS.map((producers): Cell => ({ ...one, part: 'writes', transport, producers })),
    ),
    ...MAIN.map((transport): Cell => ({ ...one, part: 'calls', transport })),
    ...MAIN.map((transport): Cell => ({ ...one, part: 'cost', transport, rate: COST_RATE })),
    // Writes that do not fit into an empty pipe (64 KiB), of several writers: the kernel mixes their pieces.
    { ...one, part: 'mixed', transport: 'fifo', producers: 5, recordsPerSend: MIXED },
    ...(['unixsock', 'tcp', 'http'] as const).flatMap((transport) =>
      (['kept', 'each'] as const).map((connection): Cell => ({ ...one, part: 'connections', transport, connection })),
    ),
    ...PRODUCERS.map(
      (producers): Cell => ({ ...one, part: 'packed', transport: 'udp', producers, recordsPerSend: PACKED }),
    ),
    ...CURVE_RATES.map((rate): Cell => ({ ...one, part: 'curve', transport: 'udp', recordsPerSend: PACKED, rate })),
  ];
  return cells.filter((cell, i) => {
    const isFirst = cells.findIndex((other) => describeCell(other) === describeCell(cell)) === i;
    return isFirst && (only === undefined || only.includes(cell.transport));
  });
}

/** One line; unique. */
export function describeCell(cell: Cell): string {
  const { part, transport, size, producers, recordsPerSend, connection, durability, rate } = cell;
  const words = [part, transport, `${size} B`, `${producers} × ${recordsPerSend} a write`];
  if (connection === 'each') words.push('a connection a record');
  if (durability === 'os') words.push('durability os');
  if (rate !== undefined) words.push(`${rate} records/s`);
  return words.join(', ');
}
