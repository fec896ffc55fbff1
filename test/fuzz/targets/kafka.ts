import { createDecoders } from '../../../src/decode/decoders.ts';
import type { BatchId } from '../../../src/model/batch-id.ts';
import type { Chunk } from '../../../src/model/chunk.ts';
import { ACCESS_STREAM } from '../../../src/model/stream.ts';
import type { InRecord } from '../../../src/queue/kafka/driver.ts';
import { encodeSend, LINE, LINES } from '../../../src/queue/kafka/message.ts';
import { decodeRecords } from '../../../src/queue/kafka/message-reader.ts';
import type { QueuedBatch, QueueItem } from '../../../src/queue/queue.ts';
import { createForeignReader } from '../../../src/service/foreign.ts';
import { areStoredLines } from '../../../src/service/stored-lines.ts';
import { DECODE_OPTIONS } from '../../support/decode-options.ts';
import type { Random } from '../../support/random.ts';
import { FaultError, type FuzzTarget, promise } from '../fuzz.ts';
import { mutateBytes } from '../mutate.ts';

const decoders = createDecoders(ACCESS_STREAM);

/*
 * What a consumer makes of the records of a topic, in both formats and of other producers. Nothing is thrown, no record of the topic is
 * lost or counted twice, no byte is made up, and what a decoder accepts are stored lines.
 */

interface PlainRecord {
  readonly skip: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes, each a character of Latin-1. */
  readonly value: string | null;
  readonly problem?: string;
}

const HEADERS = [
  'content-type',
  'hour',
  'records',
  'batch-id',
  'segments',
  'parts',
  'idempotency',
  'idempotency-key',
  'body-hash',
  'answer',
  'time',
  'key-owner',
  'content-encoding',
];
const VALUES = [
  '',
  '0',
  '1',
  '2',
  '-1',
  '1e9',
  '999999999',
  'p:1',
  'p:1 p:2',
  '2015-04-24T10:00:00Z',
  'x',
  '[]',
  '[{}]',
  'null',
  '0/0:1:1',
  LINE,
  LINES,
  'gzip',
  '__proto__',
];
const FOREIGN = [
  '',
  'x',
  '[]',
  '{}',
  '[1,2]',
  '{"timestamp":"2025-11-22T15:23:00Z","path":"/","userAgent":"a"}',
  '\n\n',
  '\xff\xfe',
  '[',
  '{"timestamp":"x"}\n{"a":1}',
  '1 2',
];
const HOUR = 397_186;

export const kafkaTarget: FuzzTarget = {
  name: 'kafka',
  runsPerSecond: 1_500,
  make(random) {
    const batches = Array.from({ length: random.int(1, 3) }, (_, i) => makeBatch(i, random));
    const format = random.pick(['ndjson', 'record'] as const);
    const records = encodeSend(batches, { format, targetBytes: random.pick([40, 1_000]) });
    const plain = records.map(
      ({ headers, value }): PlainRecord => ({ skip: 0, headers: { ...headers }, value: value.toString('latin1') }),
    );
    return encode(plain);
  },
  mutate: (input, random) => encode(mutateRecords(parse(input), random)),
  *simpler(input) {
    const records = parse(input);
    for (let i = 0; i < records.length; i++) yield encode(records.toSpliced(i, 1));
    for (const [i, record] of records.entries()) {
      for (const name of Object.keys(record.headers)) {
        const { [name]: _, ...headers } = record.headers;
        yield encode(records.with(i, { ...record, headers }));
      }
    }
  },
  async check(input) {
    const records = toRecords(parse(input));
    const items = decodeRecords('access', records);
    accountsForAll(records, items);
    for (const item of items) if (item.kind === 'foreign') await readForeignItem(item);
  },
};

function encode(records: readonly PlainRecord[]): Buffer {
  return Buffer.from(`${JSON.stringify(records, undefined, 1)}\n`);
}

function parse(input: Buffer): PlainRecord[] {
  // A file of testdata or of this target.
  return JSON.parse(input.toString()) as PlainRecord[];
}

function makeBatch(index: number, random: Random): QueuedBatch {
  const chunkOf = (hour: number): Chunk => {
    const count = random.int(1, 4);
    const line = (i: number) => `{"timestamp":"2015-04-24T${10 + hour}:00:00Z","path":"/${i}","userAgent":"a"}\n`;
    return {
      stream: 'access',
      hour: HOUR + hour,
      count,
      lines: Buffer.from(Array.from({ length: count }, (_, i) => line(i)).join('')),
    };
  };
  const id: BatchId = `p:${index}`;
  const idempotency = { key: `k${index}`, bodyHash: 'h', answer: '{"accepted":1}', time: 5 };
  const deadLetters = [{ time: 1, stage: 'ingest', reason: 'r', raw: 'x', source: 's' } as const];
  return {
    id,
    batch: Array.from({ length: random.int(0, 2) }, (_, hour) => chunkOf(hour)),
    ...(random.chance(0.3) && { idempotency }),
    ...(random.chance(0.3) && { deadLetters }),
  };
}

function mutateRecords(records: PlainRecord[], random: Random): PlainRecord[] {
  const changed = [...records];
  for (let times = random.int(1, 3); times > 0; times--) {
    const at = random.int(0, Math.max(0, changed.length - 1));
    const record = changed[at] ?? { skip: 0, headers: {}, value: '' };
    changed.splice(at, 1, ...changeRecord(record, random));
    if (random.chance(0.1))
      changed.splice(random.int(0, changed.length), 0, { skip: 0, headers: {}, value: random.pick(FOREIGN) });
  }
  return changed;
}

function changeRecord(record: PlainRecord, random: Random): PlainRecord[] {
  const { headers, value } = record;
  const name = random.chance(0.7) ? random.pick(Object.keys(headers).concat('hour')) : random.pick(HEADERS);
  const { [name]: before = '', ...rest } = headers;
  const changedText = mutateBytes(Buffer.from(before), random).toString();
  switch (random.int(0, 8)) {
    case 0:
      return [];
    case 1:
      return [record, record];
    case 2:
      return [{ ...record, headers: rest }];
    case 3:
      return [{ ...record, headers: { ...headers, [name]: random.pick(VALUES) } }];
    case 4:
      return [{ ...record, headers: { ...headers, [name]: changedText } }];
    case 5:
      return [{ ...record, skip: random.int(1, 3) }];
    case 6:
      return [{ ...record, value: random.chance(0.2) ? null : random.pick(FOREIGN) }];
    case 7:
      return [{ skip: 0, headers: {}, value: null, problem: 'cannot be unpacked' }];
    default:
      return [{ ...record, value: mutateBytes(Buffer.from(value ?? '', 'latin1'), random).toString('latin1') }];
  }
}

function toRecords(plain: readonly PlainRecord[]): InRecord[] {
  let offset = 100n;
  return plain.map(({ skip, headers, value, problem }) => {
    offset += BigInt(skip) + 1n;
    const bytes = value === null ? null : Buffer.from(value, 'latin1');
    return { offset, timestamp: 7, headers, value: bytes, ...(problem !== undefined && { problem }) };
  });
}

function accountsForAll(records: readonly InRecord[], items: readonly QueueItem[]): void {
  const foreign = new Set<bigint>();
  let last = 0n;
  for (const item of items) {
    promise(item.offset > last || item.kind === 'batches', () => `the item at ${item.offset} is out of order`);
    last = item.offset;
    if (item.kind !== 'foreign') continue;
    promise(!foreign.has(item.offset), () => `the record at ${item.offset} is there twice`);
    foreign.add(item.offset);
  }
  const batches = items.flatMap((item) => (item.kind === 'batches' ? item.batches : []));
  const taken = records.filter(({ offset }) => !foreign.has(offset));
  for (const { offset } of taken) {
    const owners = items.filter((item) => item.kind === 'batches' && item.offset <= offset && offset < item.next);
    promise(owners.length === 1, () => `the record at ${offset} belongs to ${owners.length} items`);
  }
  const chunks = batches.flatMap(({ batch }) => batch);
  for (const { lines } of chunks) promise(lines.at(-1) === 0x0a, () => 'a chunk does not end with a line end');
  const found = chunks.reduce((sum, { lines }) => sum + lines.length, 0);
  let type = '';
  let sent = 0;
  for (const { offset, headers, value } of records) {
    // A record without a content type has that of the one before it. Dead letters are no lines.
    type = headers['content-type'] ?? type;
    if (!foreign.has(offset)) sent += sizeOf(type, value);
  }
  promise(found === sent, () => `${sent} bytes of lines were sent and ${found} are in the batches`);
}

function sizeOf(type: string, value: Buffer | null): number {
  const length = value?.length ?? 0;
  return type === LINES ? length : type === LINE ? length + 1 : 0;
}

const readForeign = createForeignReader({
  stream: 'access',
  decoders,
  decode: DECODE_OPTIONS,
  log: {
    error: (message, fields) => {
      throw new FaultError(`${message}: ${fields?.err instanceof Error ? fields.err.stack : ''}`);
    },
  },
});

async function readForeignItem(item: QueueItem & { readonly kind: 'foreign' }): Promise<void> {
  const { batch, accepted, deadLetters } = await readForeign(item, { source: 'kafka:t/0@1', time: 1 });
  promise(accepted + deadLetters.length > 0, () => `the message at ${item.offset} is neither stored nor a dead letter`);
  promise(batch.reduce((sum, { count }) => sum + count, 0) === accepted, () => 'the counts do not add up');
  for (const chunk of batch) promise(areStoredLines(chunk), () => `no stored lines: ${chunk.lines}`);
}
