import fc from 'fast-check';
import type { DecodeOptions, TextFormat } from '../../src/decode/decode.ts';
import { createLayout, TIMESTAMP } from '../../src/lines/layout.ts';
import { LEVEL_SYNONYMS, LEVELS } from '../../src/model/level.ts';
import { MAX_COUNT_BY, type Stream } from '../../src/model/stream.ts';

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

/** The texts of levels, in upper and lower case. */
const levelText = fc.constantFrom(
  ...[...LEVELS, ...Object.keys(LEVEL_SYNONYMS), '0', '3', '7'].flatMap((text) => [text, text.toLowerCase()]),
  ...LEVELS,
);
const oddLevelText = fc.constantFrom(
  ...['Warning', 'iNFO', ' info', 'INFO ', 'INF', 'INFOS', 'loud', '8', '03', '', '\u0131nfo', 'fata\u1e37', '\u0013'],
);
const level = mostly(
  mostly(levelText, oddLevelText).map((text) => JSON.stringify(text)),
  fc.constantFrom('0', '3', '7', '8', '-0', '3.0', '3e0', '30', '3.5', '-1', '"\\u0049NFO"', '"i\\nnfo"', '0x1'),
);

type Member = readonly [name: string, value: string];

/** Bodies of one stream, by format. */
export type Bodies = Readonly<Record<TextFormat, fc.Arbitrary<string>>>;

export function createBodies(stream: Stream): Bodies {
  return { ...jsonBodies(stream), csv: csvBodies(stream) };
}

function jsonBodies(stream: Stream): Pick<Bodies, 'json' | 'ndjson'> {
  const { fields, levelAt } = createLayout(stream);
  const tokens = fields.map((field) => JSON.stringify(field));
  const name = fc.oneof(
    fc.constantFrom(...['"id"', '"a"', '"b"', '"__proto__"', '"constructor"', '"123"', '"7"', '""', '"Path"', '"é"']),
    fc.constantFrom(...tokens, ...fields.flatMap(nearNames), '"\\u0061"', '"severityNumber"'),
    jsonString,
  );
  const quoted = (text: fc.Arbitrary<string>) => text.map((each) => JSON.stringify(each));
  const calm = fields.map((_, at) => {
    if (at === 0) return quoted(instant);
    return quoted(at === levelAt ? fc.constantFrom(...LEVELS) : plainText);
  });
  const wild = fields.map((_, at) => {
    if (at === 0) return mostly(quoted(timestamp), jsonValue);
    return at === levelAt ? mostly(level, jsonValue) : mostly(jsonString, jsonValue);
  });
  // In a calm record one value at most is strange, so that its other fields do not hide what a reader makes of it.
  const values = fc.oneof(
    fc.tuple(...wild),
    fc
      .tuple(fc.tuple(...calm), fc.tuple(...wild), fc.nat({ max: fields.length }))
      .map(([all, strange, place]) => all.map((value, at) => (at === place ? (strange[at] ?? value) : value))),
  );
  const ownFields: fc.Arbitrary<Member[]> = values.map((all) => all.map((value, at) => [tokens[at] ?? '', value]));
  const severity: fc.Arbitrary<Member[]> = fc
    .constantFrom('1', '13', '24', '25', '0', '-3', '9.0', '9.5', '"9"', 'null')
    .map((value) => [['"severityNumber"', value]]);
  const extras = fc.oneof(
    { weight: 3, arbitrary: fc.constant<Member[]>([]) },
    { weight: 4, arbitrary: fc.array(fc.tuple(name, jsonValue), { minLength: 1, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.array(fc.tuple(name, jsonValue), { minLength: 15, maxLength: 18 }) },
    ...(levelAt === -1 ? [] : [{ weight: 1, arbitrary: severity }]),
  );
  const members: fc.Arbitrary<Member[]> = fc.tuple(ownFields, extras).chain(([own, more]) => {
    const all = [...own, ...more];
    const shuffled = fc.shuffledSubarray(all, { minLength: all.length });
    const withoutLevel = all.filter((_, at) => at !== levelAt);
    const oneNamedTwice = fc
      .tuple(fc.nat({ max: all.length - 1 }), fc.nat({ max: all.length - 1 }))
      .map(([from, to]) => all.map<Member>(([key, value], at) => [at === to ? (all[from]?.[0] ?? key) : key, value]));
    return mostly(fc.constant(all), shuffled, fc.shuffledSubarray(all), fc.constant(withoutLevel), oneNamedTwice);
  });
  /** The source text of an element: a record, or another value in its place. */
  const jsonRecord = mostly(
    members.map((all) => `{${all.map(([key, value]) => `${key}:${value}`).join(',')}}`),
    fc.tuple(members, white, white, white).map(([all, a, b, c]) => {
      return `{${a}${all.map(([key, value]) => `${key}${b}:${c}${value}`).join(`${a},${c}`)}${b}}`;
    }),
    mostly(jsonValue, fc.constant('')),
  );
  const json = mostly(
    fc.array(jsonRecord, { minLength: 1, maxLength: 5 }).map((records) => `[${records.join(',')}]`),
    fc
      .tuple(fc.array(jsonRecord, { maxLength: 3 }), white, white, white)
      .map(([records, a, b, c]) => `${a}[${b}${records.join(`${c},${b}`)}${a}]${c}`),
  );
  const ndjson = fc
    .tuple(
      fc.array(mostly(jsonRecord, white), { minLength: 1, maxLength: 5 }),
      mostly(fc.constant('\n'), fc.constantFrom('\r\n', '\n\n', '\r', ' \n')),
      fc.constantFrom('\n', '', '\r\n'),
    )
    .map(([lines, lineEnd, last]) => `${lines.join(lineEnd)}${last}`);
  return { json, ndjson };
}

/** Tokens that are not the name of a field, or not as JSON.stringify writes it. */
function nearNames(field: string): string[] {
  const first = field.charCodeAt(0);
  const escaped = Number.isNaN(first) ? '' : `\\u${first.toString(16).padStart(4, '0')}${toToken(field.slice(1))}`;
  return [field.slice(0, -1), `${field}x`, field.toUpperCase(), ` ${field}`]
    .map((near) => `"${toToken(near)}"`)
    .concat(`"${escaped}"`);
}

function toToken(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

const csvText = mostly(
  textParts.map((parts) => parts.join('')),
  fc
    .array(fc.constantFrom(',', '"', '\n', '\r\n', '\\', '\u0000', 'x', ' ', '\r'), { maxLength: 4 })
    .map((parts) => parts.join('')),
);
const quoteCsv = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const csvValue = mostly(
  csvText.map((text) => (/[",\n]/.test(text) ? quoteCsv(text) : text)),
  csvText.map(quoteCsv),
  csvText,
);
const csvLevel = mostly(mostly(levelText, oddLevelText), csvValue, levelText.map(quoteCsv));

function csvBodies(stream: Stream): fc.Arbitrary<string> {
  const { fields, levelAt } = createLayout(stream);
  const cellOf = (column: string) => {
    const at = fields.findIndex((field) => column.includes(field));
    if (at === 0) return timestamp;
    return at !== -1 && at === levelAt ? csvLevel : csvValue;
  };
  const csvRow = mostly(
    fc.tuple(...fields.map(cellOf)).map((values) => values.join(',')),
    fc.array(csvValue, { maxLength: fields.length + 2 }).map((values) => values.join(',')),
  );
  const csvRowOf = (columns: readonly string[]) =>
    mostly(
      fc.tuple(...columns.map(cellOf)).map((row) => row.join(',')),
      csvRow,
    );
  const header = fields.map((field) => (/[",\r\n]/.test(field) ? quoteCsv(field) : field));
  const csvHeader = mostly<readonly string[]>(
    fc.constant(header),
    fc.shuffledSubarray([...header, 'id', '"a ""b"""', '__proto__'], { minLength: header.length }),
    fc.constantFrom(
      [...header.slice(0, 2), header[1] ?? TIMESTAMP],
      [...header.slice(0, 2), ''],
      [` ${TIMESTAMP} `, ...fields.slice(1).map(quoteCsv)],
    ),
  );
  return fc
    .tuple(
      mostly(
        csvHeader.chain((names) =>
          fc.array(csvRowOf(names), { maxLength: 4 }).map((rows) => [names.join(','), ...rows]),
        ),
        fc.array(csvRow, { maxLength: 4 }),
      ),
      mostly(fc.constant('\n'), fc.constantFrom('\r\n', '\n\n', '\r')),
      fc.constantFrom('\n', '', '\r\n'),
    )
    .map(([rows, lineEnd, last]) => `${rows.join(lineEnd)}${last}`);
}

/** Names of fields that a reader of bytes may take for others. */
const oddField = fc.oneof(
  fc.constantFrom(...['', 'a', 'ab', 'abc', 'abcd', 'abcde', 'shop', 'shops', 'shopsite', '__proto__', 'constructor']),
  fc.constantFrom(
    ...['"', 'größe "x"', '\\', 'a\\b', 'a/b', '\n', '\u0001', '\u2028', '\ud83d\ude00', '\ud800', '店', 'timestam'],
  ),
  fc.constantFrom(...['timestamps', 'severityNumber', '123', '0', 'to:String', '{}', ',', 'x'.repeat(300)]),
  fc.string({ unit: 'binary', maxLength: 6 }),
  anyText,
);

/** Streams of a team: up to seven fields with any names. */
export const anyStream: fc.Arbitrary<Stream> = fc
  .tuple(fc.uniqueArray(oddField, { maxLength: 7 }), fc.nat({ max: 3 }), fc.nat({ max: 6 }))
  .map(([names, level, place]) => {
    const required = names.filter((field) => field !== TIMESTAMP);
    const levelField = level === 0 ? required[place] : undefined;
    const countBy = required.slice(0, MAX_COUNT_BY);
    return { name: 'team', required, countBy, ...(levelField !== undefined && { levelField }) };
  });

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
