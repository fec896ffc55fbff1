import fc from 'fast-check';
import { hourToIso } from '../../src/model/hour.ts';
import type { InRecord } from '../../src/queue/kafka/driver.ts';
import { encodeSend, type MessageFormat } from '../../src/queue/kafka/message.ts';
import type { QueuedBatch } from '../../src/queue/queue.ts';

/*
 * Records as anybody may put them into the topic: sends of logforge, of which headers and values are changed, and records
 * made from nothing.
 */

export type StrangeRecord = Pick<InRecord, 'headers' | 'value' | 'problem'>;

const HOUR = 397_186;

export function storedLine(name: string, hour = HOUR): string {
  return `{"timestamp":"${hourToIso(hour)}","path":${JSON.stringify(`/${name}`)},"userAgent":"x"}`;
}

export function batchOfLines(id: string, hours: readonly number[] = [HOUR], lines = 2): QueuedBatch {
  const batch = hours.map((hour) => {
    const texts = Array.from({ length: lines }, (_, index) => `${storedLine(`${id}/${index}`, hour)}\n`);
    return { stream: 'access', hour, count: lines, lines: Buffer.from(texts.join('')) };
  });
  return { id, batch };
}

const LETTER = { time: 1_700_000_000_000, stage: 'ingest', reason: 'r', raw: 'x', source: 's' };

/** Values that headers of ours may be replaced by. */
const HEADER_TEXTS = [
  ...['', ' ', '0', '-1', '1', '2', '3', '1e9', '999999999', '9007199254740991', '9007199254740993', 'NaN', '\r\nX: y'],
  ...['application/x-ndjson', 'application/json', 'application/vnd.logforge.dead-letters+ndjson', 'text/plain', 'GZIP'],
  ...['9999-12-31T23:00:00Z', '0000-01-01T00:00:00Z', '2015-04-24T99:00:00Z', '2015-04-24T11:00:00Z', 'x:1', 'x:1 x:2'],
  ...['0/0:1:8', '0/0:999999999:9999999999', '999999999/0:1:1', '[]', '{}', '[{}]', 'null', '[null]', '"', '[{'],
  ...['[{"batch":-1,"key":"k","bodyHash":"h","answer":"{}","time":1}]', '[{"batch":0,"key":"","time":1}]'],
  ...['[{"batch":0,"key":"k","bodyHash":"h","answer":"{}","time":1e300}]', '['.repeat(20_000)],
  Array.from({ length: 2_000 }, (_, index) => `x:${index}`).join(' '),
  `${'p'.repeat(10_000)}:1`,
];
const HEADER_NAMES = [
  ...[
    'content-type',
    'hour',
    'records',
    'batch-id',
    'segments',
    'parts',
    'content-encoding',
    '__proto__',
    'constructor',
  ],
  ...['idempotency-key', 'body-hash', 'answer', 'time', 'idempotency', 'key-owner'],
];
const VALUES: readonly (string | Buffer)[] = [
  ...[
    '',
    '\n',
    '{}',
    '{}\n',
    '[]',
    'null\n',
    '[null]',
    'garbage',
    'garbage\n',
    `${storedLine('a')},${storedLine('b')}`,
  ],
  ...['['.repeat(100_000), '{"a":'.repeat(50_000), '"', '\ufeff{}', storedLine('z'), `${storedLine('z')}\n`],
  ...[Buffer.from([0, 255, 1, 2]), Buffer.from([0x7b, 0xff, 0x7d, 0x0a]), Buffer.alloc(1_000_000, 0x5b)],
  `${JSON.stringify(LETTER)}\n`,
  `${JSON.stringify({ ...LETTER, stage: 'x","evil":"1\n{"b":2}' })}\n`,
  `${JSON.stringify({ ...LETTER, time: 9e15 })}\n`,
  `${JSON.stringify({ ...LETTER, time: '2020' })}\n`,
  `${JSON.stringify({ ...LETTER, raw: { a: 1 } })}\n`,
  `${JSON.stringify({ ...LETTER, raw: '{\n"a":\r\n1}', more: '\n' })}\n`,
  `${JSON.stringify(LETTER)}\n${JSON.stringify({ ...LETTER, time: 0 })}\n`,
];

type Change = (record: StrangeRecord) => StrangeRecord;

function anyChange(): fc.Arbitrary<Change> {
  const name = fc.constantFrom(...HEADER_NAMES);
  const text = fc.oneof(fc.constantFrom(...HEADER_TEXTS), fc.string({ unit: 'binary' }));
  const setHeader = fc.tuple(name, text).map(([key, value]): Change => {
    return (record) => ({ ...record, headers: { ...record.headers, [key]: value } });
  });
  const dropHeader = name.map((key): Change => {
    return (record) => ({
      ...record,
      headers: Object.fromEntries(Object.entries(record.headers).filter(([n]) => n !== key)),
    });
  });
  const setValue = anyValue().map(
    (value): Change =>
      (record) => ({ ...record, value }),
  );
  const cutValue = fc.nat({ max: 60 }).map((bytes): Change => {
    return (record) => ({ ...record, value: record.value?.subarray(0, -bytes) ?? null });
  });
  const flipByte = fc.tuple(fc.nat(), fc.nat({ max: 255 })).map(([at, byte]): Change => {
    return (record) => {
      if (record.value === null || record.value.length === 0) return record;
      const value = Buffer.from(record.value);
      value[at % value.length] = byte;
      return { ...record, value };
    };
  });
  const unread = fc.constant<Change>(() => ({ headers: {}, value: null, problem: 'unsupported compression' }));
  return fc.oneof(
    { weight: 6, arbitrary: setHeader },
    { weight: 2, arbitrary: dropHeader },
    { weight: 3, arbitrary: setValue },
    { weight: 2, arbitrary: cutValue },
    { weight: 2, arbitrary: flipByte },
    { weight: 1, arbitrary: unread },
  );
}

function anyValue(): fc.Arbitrary<Buffer | null> {
  return fc.oneof(
    fc.constantFrom(...VALUES).map((value) => Buffer.from(value)),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.constant(null),
  );
}

function anySend(): fc.Arbitrary<readonly StrangeRecord[]> {
  const hours = fc.uniqueArray(fc.integer({ min: HOUR, max: HOUR + 3 }), { minLength: 1, maxLength: 3 });
  const extras = fc.record({ key: fc.boolean(), letters: fc.nat({ max: 2 }) });
  const format = fc.constantFrom<MessageFormat>('ndjson', 'record');
  return fc
    .tuple(fc.array(fc.tuple(hours, extras), { minLength: 1, maxLength: 3 }), format)
    .map(([several, chosen]) => {
      const batches = several.map(([mine, { key, letters }], index): QueuedBatch => {
        const id = `strange:${index}`;
        return {
          ...batchOfLines(id, mine),
          ...(key && { idempotency: { key: id, bodyHash: 'h', answer: '{"accepted":1}', time: 1 } }),
          ...(letters > 0 && { deadLetters: Array(letters).fill({ ...LETTER, stage: 'ingest' as const }) }),
        };
      });
      return encodeSend(batches, { format: chosen, targetBytes: 200 });
    });
}

/** A send of logforge of which some records are changed, or records made from nothing. */
export function anyStrangeRecords(): fc.Arbitrary<readonly StrangeRecord[]> {
  const changed = fc
    .tuple(anySend(), fc.array(fc.tuple(fc.nat(), anyChange()), { minLength: 1, maxLength: 4 }))
    .map(([send, changes]) => {
      const records = [...send];
      for (const [place, change] of changes) {
        const at = place % records.length;
        const record = records[at];
        if (record !== undefined) records[at] = change(record);
      }
      return records;
    });
  const headers = fc.dictionary(fc.constantFrom(...HEADER_NAMES), fc.constantFrom(...HEADER_TEXTS), { maxKeys: 6 });
  const made = fc.array(fc.record({ headers, value: anyValue() }), { minLength: 1, maxLength: 3 });
  return fc.oneof({ weight: 3, arbitrary: changed }, { weight: 1, arbitrary: made });
}
