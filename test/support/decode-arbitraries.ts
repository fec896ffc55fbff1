import fc from 'fast-check';
import type { DecodeOptions } from '../../src/decode/decode.ts';

// Valid and invalid bodies: mostly valid, and with every form that a reader may fail on.

/** Mostly `usual`, sometimes `odd`. */
function mostly<T>(usual: fc.Arbitrary<T>, ...odd: fc.Arbitrary<T>[]): fc.Arbitrary<T> {
  return fc.oneof({ weight: odd.length * 4, arbitrary: usual }, ...odd.map((arbitrary) => ({ weight: 1, arbitrary })));
}

const plainText = fc.stringMatching(/^[!-~]{1,12}$/).map((text) => text.replaceAll(/["\\]/g, '/'));
const trimmable = fc.constantFrom(
  ' ',
  '\t',
  '\u00a0',
  '\u1680',
  '\u2003',
  '\u2028',
  '\u202f',
  '\u205f',
  '\u3000',
  '\ufeff',
);
const nearlyTrimmable = fc.constantFrom('\u00a1', '\u1681', '\u200b', '\u2027', '\u2030', '\u2060', '\u3001', '\ufefe');
const anyText = fc.string({ unit: 'grapheme', maxLength: 6 });
const jsonEscape = fc.constantFrom(
  ...['\\"', '\\\\', '\\/', '\\b', '\\f', '\\n', '\\r', '\\t', '\\u0000', '\\u0041', '\\u00E9', '\\u0020', '\\u2028'],
  ...['\\ud83d\\ude00', '\\ud800', '\\uDC00x', '\\u00', '\\x41', '\\'],
);
const instant = fc.constantFrom(
  ...['2025-11-22T15:23:00Z', '2025-11-22T15:59:59Z', '2025-11-22T16:00:00Z', '2015-05-17T10:05:03Z'],
  ...['2024-02-29T00:00:00Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999999999Z'],
);
const otherInstant = fc.constantFrom(
  ...[
    '2025-11-22T15:23:00.5Z',
    '2025-11-22T15:23:00.120Z',
    '2025-11-22T15:23:00.000Z',
    '2025-11-22T15:23:00.1234567899Z',
  ],
  ...[
    '2025-11-22T15:23:00+00:00',
    '2025-11-22T15:23:00.250-00:00',
    '2025-11-22T15:23:00+05:30',
    '2025-11-22t15:23:00z',
  ],
  ...['9999-12-31T23:59:59-00:01', '0001-01-01T00:00:00+00:01', '2025-11-22T15:23:00.1+01:00'],
);
const noInstant = fc.constantFrom(
  ...['', 'yesterday', '2023-02-29T00:00:00Z', '2025-11-22T24:00:00Z', '2025-11-22T15:23:60Z', '2025-11-22T15:23:00'],
  ...[
    '2025-11-22 15:23:00Z',
    '0000-01-01T00:00:00Z',
    '2025-11-22T15:23:00.Z',
    '2025-11-22T15:2300Z ',
    '2025-11-31T15:23:00Z',
  ],
);
export const timestamp = mostly(instant, otherInstant, otherInstant, noInstant);
const textParts = mostly(
  plainText.map((text) => [text]),
  fc.array(fc.oneof(plainText, anyText, trimmable, nearlyTrimmable), { maxLength: 4 }),
);

/** The text of a field, not escaped. */
export const flatText = mostly(
  textParts.map((parts) => parts.join('')),
  fc
    .array(fc.constantFrom('"', '\\', '\n', '\u0000', '\u007f', 'é', ' ', '😀'), { maxLength: 4 })
    .map((parts) => parts.join('')),
);

/** The inside of a JSON string, as source text. */
const jsonText = mostly(
  textParts.map((parts) => parts.map((part) => JSON.stringify(part).slice(1, -1)).join('')),
  fc.array(fc.oneof(plainText, jsonEscape, trimmable, anyText), { maxLength: 4 }).map((parts) => parts.join('')),
);
const jsonString = jsonText.map((text) => `"${text}"`);
const number = fc.constantFrom(
  ...[
    '0',
    '-0',
    '1.0',
    '1E+2',
    '2e-7',
    '12345678901234567890',
    '0.10',
    '-1.5e3',
    '01',
    '1.',
    '-',
    '.5',
    '1e',
    '+1',
    'NaN',
  ],
);
const literal = fc.constantFrom('true', 'false', 'null', 'tru', 'nulL', 'False');
const white = mostly(
  fc.constant(''),
  fc.constantFrom(' ', '\t', '  ', '\r'),
  fc.constantFrom('\n', '\r\n', '\n\n', '\f'),
);
const nested = fc
  .tuple(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(0, 0, 1, '\t'))
  .map(([value, indent]) => JSON.stringify(value, null, indent));
const deep = fc.integer({ min: 1, max: 40 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth));
const jsonValue = fc.oneof(jsonString, jsonString, number, literal, nested, deep);

const name = fc.oneof(
  fc.constantFrom(...['"id"', '"a"', '"b"', '"__proto__"', '"constructor"', '"123"', '"7"', '""', '"Path"', '"pathx"']),
  fc.constantFrom(...['"timestamp"', '"path"', '"userAgent"', '"p\\u0061th"', '"\\u0061"', '"userAgenT"', '"é"']),
  jsonString,
);

type Member = readonly [name: string, value: string];

const threeFields: fc.Arbitrary<Member[]> = fc
  .tuple(
    mostly(
      timestamp.map((text) => `"${text}"`),
      jsonValue,
    ),
    mostly(jsonString, jsonValue),
    mostly(jsonString, jsonValue),
  )
  .map(([time, path, userAgent]) => [
    ['"timestamp"', time],
    ['"path"', path],
    ['"userAgent"', userAgent],
  ]);
const extras = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Member[]>([]) },
  { weight: 4, arbitrary: fc.array(fc.tuple(name, jsonValue), { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.array(fc.tuple(name, jsonValue), { minLength: 15, maxLength: 18 }) },
);
const members: fc.Arbitrary<Member[]> = fc.tuple(threeFields, extras).chain(([own, more]) => {
  const all = [...own, ...more];
  return mostly(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }), fc.shuffledSubarray(all));
});

/** The source text of an element: a record, or another value in its place. */
const jsonRecord = mostly(
  members.map((all) => `{${all.map(([key, value]) => `${key}:${value}`).join(',')}}`),
  fc.tuple(members, white, white, white).map(([all, a, b, c]) => {
    return `{${a}${all.map(([key, value]) => `${key}${b}:${c}${value}`).join(`${a},${c}`)}${b}}`;
  }),
  mostly(jsonValue, fc.constant('')),
);

export const jsonBody = mostly(
  fc.array(jsonRecord, { minLength: 1, maxLength: 5 }).map((records) => `[${records.join(',')}]`),
  fc
    .tuple(fc.array(jsonRecord, { maxLength: 3 }), white, white, white)
    .map(([records, a, b, c]) => `${a}[${b}${records.join(`${c},${b}`)}${a}]${c}`),
);

export const ndjsonBody = fc
  .tuple(
    fc.array(mostly(jsonRecord, white), { minLength: 1, maxLength: 5 }),
    mostly(fc.constant('\n'), fc.constantFrom('\r\n', '\n\n', '\r', ' \n')),
    fc.constantFrom('\n', '', '\r\n'),
  )
  .map(([lines, lineEnd, last]) => `${lines.join(lineEnd)}${last}`);

const csvText = mostly(
  textParts.map((parts) => parts.join('')),
  fc
    .array(fc.constantFrom(',', '"', '\n', '\r\n', '\\', '\u0000', 'x', ' ', '\r'), { maxLength: 4 })
    .map((parts) => parts.join('')),
);
const csvValue = mostly(
  csvText.map((text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)),
  csvText.map((text) => `"${text.replaceAll('"', '""')}"`),
  csvText,
);
const csvRow = mostly(
  fc.tuple(timestamp, csvValue, csvValue).map((values) => values.join(',')),
  fc.array(csvValue, { maxLength: 5 }).map((values) => values.join(',')),
);
const csvRowOf = (columns: readonly string[]) =>
  mostly(
    fc
      .tuple(...columns.map((column) => (column.includes('timestamp') ? timestamp : csvValue)))
      .map((row) => row.join(',')),
    csvRow,
  );
const csvHeader = mostly<readonly string[]>(
  fc.constant(['timestamp', 'path', 'userAgent']),
  fc.shuffledSubarray(['timestamp', 'path', 'userAgent', 'id', '"a ""b"""', '__proto__'], { minLength: 3 }),
  fc.constantFrom(['timestamp', 'path', 'path'], ['timestamp', 'path', ''], [' timestamp ', '"path"', 'userAgent']),
);

export const csvBody = fc
  .tuple(
    mostly(
      csvHeader.chain((header) =>
        fc.array(csvRowOf(header), { maxLength: 4 }).map((rows) => [header.join(','), ...rows]),
      ),
      fc.array(csvRow, { maxLength: 4 }),
    ),
    mostly(fc.constant('\n'), fc.constantFrom('\r\n', '\n\n', '\r')),
    fc.constantFrom('\n', '', '\r\n'),
  )
  .map(([rows, lineEnd, last]) => `${rows.join(lineEnd)}${last}`);

export const decodeOptions: fc.Arbitrary<DecodeOptions> = fc.record({
  maxRecordBytes: mostly(fc.constant(262_144), fc.integer({ min: 70, max: 140 })),
  maxDepth: mostly(fc.constant(64), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 30, max: 36 })),
  maxBatchBytes: mostly(fc.constant(2 ** 26), fc.integer({ min: 100, max: 800 })),
  maxHours: mostly(fc.constant(1_000), fc.integer({ min: 1, max: 2 })),
  extraFields: mostly<'keep' | 'drop'>(fc.constant('keep'), fc.constant('drop')),
  invalid: fc.constantFrom('reject', 'skip'),
});

const TELLING_BYTES = Buffer.from('"\\{}[],:: \n\r\t\t019.-eEutZT+/\0\u001f\u007f\u00a0\u3000\ufeff\u00e9\u{1f600}');

/** A copy with one to three bytes or stretches flipped, replaced, inserted, cut out or repeated. `random`: in [0, 1). */
export function mutate(body: Buffer, random: () => number): Buffer {
  let bytes = body;
  for (let times = 1 + Math.floor(random() * 3); times > 0; times--) {
    const at = Math.floor(random() * (bytes.length + 1));
    const length = random() < 0.8 ? 1 : Math.floor(random() * 12);
    const telling = TELLING_BYTES[Math.floor(random() * TELLING_BYTES.length)] ?? 0;
    const [before, stretch, after] = [
      bytes.subarray(0, at),
      bytes.subarray(at, at + length),
      bytes.subarray(at + length),
    ];
    const kind = Math.floor(random() * 6);
    if (kind === 0) bytes = Buffer.concat([before, after]);
    else if (kind === 1) bytes = Buffer.concat([before, stretch, stretch, after]);
    else if (kind === 2)
      bytes = Buffer.concat([before, stretch.map((byte) => byte ^ (1 << Math.floor(random() * 8))), after]);
    else if (kind === 3) bytes = Buffer.concat([before, Buffer.from([telling]), stretch, after]);
    else bytes = Buffer.concat([before, Buffer.from([telling]), after]);
  }
  return Buffer.from(bytes);
}
