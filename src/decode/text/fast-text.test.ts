import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import { entryBytes, textBytes } from '../../../test/support/text-arbitraries.ts';
import { createLayout } from '../../lines/layout.ts';
import { EVENTS_STREAM, type Stream } from '../../model/stream.ts';
import { Collector } from '../collector.ts';
import type { DecodeOptions, Mapping, TextOptions } from '../decode.ts';
import { encodeFields } from '../decoded-record.ts';
import { readJsonFields } from '../json-fields.ts';
import { runToEnd } from '../pace.ts';
import { escapeBytes } from './escape-bytes.ts';
import { createFastText } from './fast-text.ts';
import { isJournalEntry, readJournalEntry } from './journald.ts';
import { readText } from './read-text.ts';
import type { TextContext, TextRecord } from './text-record.ts';

const TEXT: TextOptions = {
  format: 'auto',
  zone: 'arrival',
  service: 'app',
  arrival: Date.parse('2025-07-02T17:00:03.250Z'),
};
const DEFAULTS = new Map([
  ['level', 'warning'],
  ['service', ' "a" \u0001'],
]);
const IN_ANOTHER_ORDER: Stream = { ...EVENTS_STREAM, required: ['service', 'message', 'level'] };

interface Setting {
  readonly stream?: Stream;
  readonly options?: Partial<DecodeOptions>;
  readonly text?: Partial<TextOptions & TextContext>;
}

interface Result {
  readonly kind: string;
  readonly line: string;
}

/** What the fast reader makes of each text of a block; undefined where the reference must judge. */
function readFast(texts: readonly Buffer[], { stream = EVENTS_STREAM, options, text }: Setting = {}) {
  const body = Buffer.concat(texts.flatMap((one) => [one, Buffer.from('\n')]));
  const all = { ...DECODE_OPTIONS, ...options };
  const collector = new Collector(body, { ...all, stream: 'events', noun: 'record', expected: 0, check: undefined });
  const layout = createLayout(stream);
  const fast = createFastText({ layout, body, collector, options: all, text: { ...TEXT, ...text } });
  let start = 0;
  return texts.map((one): Result | undefined => {
    const end = start + one.length;
    const { writer } = collector.lines;
    const { used } = writer;
    const isEntry = one[0] === 0x7b && fast?.readEntry(start, end) === true;
    const kind = isEntry ? 'journald' : fast?.read(start, end);
    start = end + 1;
    if (kind === undefined) expect(writer.used).toBe(used);
    return kind === undefined ? undefined : { kind, line: writer.bytes.toString('utf8', used, writer.used) };
  });
}

/** The same by the reference; undefined for an invalid record. */
function readReference(bytes: Buffer, { stream = EVENTS_STREAM, options, text }: Setting = {}): Result | undefined {
  const all = { ...DECODE_OPTIONS, ...options };
  const { format, ...context } = { ...TEXT, ...text };
  if (format !== 'auto' && format !== 'raw' && format !== 'syslog') return undefined;
  const { kind, fields } =
    bytes[0] === 0x7b ? readEntry(bytes, context) : readText(escapeBytes(bytes), format, context);
  const record = encodeFields(createLayout(stream), fields, all);
  if ('problem' in record || record.hour < (all.firstHour ?? Number.NEGATIVE_INFINITY)) return undefined;
  return { kind, line: record.line };
}

/** Throws for what is no entry of the journal, and for what is no JSON. */
function readEntry(bytes: Buffer, context: TextContext): TextRecord {
  const read = runToEnd(readJsonFields(bytes, 0, bytes.length, DECODE_OPTIONS));
  const fields = 'fields' in read ? read.fields : undefined;
  if (fields === undefined || !isJournalEntry(fields)) throw new Error(`not an entry: ${bytes}`);
  return readJournalEntry(fields, context);
}

const USUAL = [
  '2025-07-02T17:00:01Z [INFO] [api] hi',
  '2025-07-02T17:00:01.250+02:00  [warning]  [a b]  with "quotes", a \\ and Grüße',
  '<6>Jul  2 17:00:01 host auth[1234]: msg',
  '<6>Jul 02 19:00:01 host auth: two hours east',
  '<6>Jul  2 17:00:01 host auth[]: "quoted"',
  '<6>Jul  2 17:00:01 host auth[1] no colon',
  '<13>Jul  2 17:00:01 root: of logger, without a host',
  '<13>Jul  2 17:00:01 host no tag here',
  '<191>2025-07-02T17:00:01.123456+00:00 host app[12]: with a message',
  '<165>1 2003-10-11T22:14:15.003Z host su - ID47 - \ufeffmsg',
  '<165>1 2003-10-11T22:14:15.003Z host su 12 - - Grüße',
  '<165>1 2003-10-11T22:14:15.003Z - - - - - x',
  '<165>1 2003-10-11T22:14:15.003000+05:30 host su - - [meta sequenceId="12"] x',
  '<165>1 2003-10-11T22:14:59.120000+05:30 host su - - [meta sequenceId="13"] x',
  '<165>1 2003-10-11T22:14:15+05:30 host su - - [meta x="a ] b"] x',
  '<165>1 2003-10-11T22:14:15.000+05:30 host su - - - x',
  '<165>1 2003-10-11T22:14:15.003Z host su - - [timeQuality tzKnown="1"][a b="\\"" b="2"] x',
  '{"__REALTIME_TIMESTAMP":"1751475601000123","PRIORITY":"6","_SYSTEMD_UNIT":"a.service","MESSAGE":"ready"}',
  '{"__CURSOR":"s=1;i=2","_HOSTNAME":"host","MESSAGE":" Grüße ","__REALTIME_TIMESTAMP":"1751475601120000","_COMM":"sudo"}',
  '{"MESSAGE":"m","__REALTIME_TIMESTAMP":"1751475601000000","SYSLOG_IDENTIFIER":"x","_COMM":"y","A":"b","_SYSTEMD_UNIT":"z"}',
].map((text) => Buffer.from(text));

describe('the fast reader of text', () => {
  test.each([[{}], [{ stream: IN_ANOTHER_ORDER }], [{ text: { zone: -330 } }], [{ text: { defaults: DEFAULTS } }]] as [
    Setting,
  ][])('reads what is usual itself: %j', (setting) => {
    for (const [i, result] of readFast(USUAL, setting).entries()) {
      expect(result).toEqual(readReference(USUAL[i] as Buffer, setting));
      expect(result).toBeDefined();
    }
  });

  test('reads texts, and leaves entries, where extra fields are dropped', () => {
    const setting: Setting = { options: { extraFields: 'drop' } };
    for (const [i, result] of readFast(USUAL, setting).entries()) {
      const text = USUAL[i] as Buffer;
      expect(result).toEqual(text[0] === 0x7b ? undefined : readReference(text, setting));
    }
  });

  test('leaves bytes that are no time to the reference', () => {
    const text = Buffer.from(`<6>${'\0'.repeat(15)} host auth: msg`);
    expect(readFast([text])).toEqual([undefined]);
  });

  test('is not made where a text is not stored as it is read', () => {
    const mapping: Mapping = { rename: new Map(), defaults: new Map(), timestamps: 'auto' };
    const reads = (options: Partial<DecodeOptions>, stream = EVENTS_STREAM) =>
      readFast(USUAL, { options, stream }).some((result) => result !== undefined);
    expect(reads({ mapping })).toBe(true);
    expect(reads({ mapping: { ...mapping, rename: new Map([['source', 'service']]) } })).toBe(true);
    expect(reads({ mapping: { ...mapping, rename: new Map([['host', 'machine']]) } })).toBe(false);
    expect(reads({ mapping: { ...mapping, defaults: new Map([['zone', 'eu']]) } })).toBe(false);
    expect(reads({}, { ...EVENTS_STREAM, required: ['level', 'message', 'service', 'host'] })).toBe(false);
    const { levelField: _, ...noLevel } = EVENTS_STREAM;
    expect(reads({}, noLevel)).toBe(false);
  });
});

const setting: fc.Arbitrary<Setting> = fc.record({
  stream: fc.constantFrom(EVENTS_STREAM, IN_ANOTHER_ORDER),
  options: fc.record({
    extraFields: fc.constantFrom('keep', 'drop'),
    maxRecordBytes: fc.constantFrom(262_144, 262_144, 140),
    firstHour: fc.constantFrom(0, 0, 486_521),
  }),
  text: fc.record({
    format: fc.constantFrom('auto', 'auto', 'raw', 'syslog'),
    zone: fc.constantFrom<TextOptions['zone']>('arrival', 120, -330),
    arrival: fc
      .constantFrom('2025-07-02T17:00:03Z', '2026-01-01T00:00:05Z', '2025-12-31T23:59:59Z', '2028-03-01T00:00:00Z')
      .map(Date.parse),
  }),
});

test('the fast reader stores the bytes that the reference stores, on generated and on changed texts', () => {
  let known = 0;
  let texts = 0;
  fc.assert(
    fc.property(
      fc.array(fc.oneof(textBytes, textBytes, entryBytes), { minLength: 1, maxLength: 8 }),
      setting,
      (block, how) => {
        for (const [i, result] of readFast(block, how).entries()) {
          texts++;
          if (result === undefined) continue;
          known++;
          expect(result).toEqual(readReference(block[i] as Buffer, how));
        }
      },
    ),
    { numRuns: 8_000 },
  );

  expect(known / texts).toBeGreaterThan(0.1);
});
