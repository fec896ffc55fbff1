import fc from 'fast-check';

// Lines of text: mostly of a known form, and with everything that a reader may fail on.

const pick = (...values: string[]) => fc.constantFrom(...values);
const mostly = (usual: fc.Arbitrary<string>, odd: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 14, arbitrary: usual }, { weight: 1, arbitrary: odd });
const oddText = pick(
  ...[
    '',
    ' ',
    '-',
    ':',
    '[',
    ']',
    '\t',
    '\n',
    '\0',
    '\u00a0',
    '\ufeff',
    '\u2003',
    'é',
    '😀',
    '"',
    '\\',
    '<',
    '1',
    '5x',
    '\u007f',
  ],
);
const instant = mostly(
  pick(
    '2025-07-02T17:00:01Z',
    '2025-07-02T17:00:01.5Z',
    '2025-07-02T17:00:01.120+02:00',
    '2025-07-02T17:00:59.000+02:00',
    '2025-07-02T17:00:59+02:00',
    '2024-02-29T23:59:59-07:00',
  ),
  pick(
    '2025-07-02t17:00:01z',
    '2025-02-29T00:00:00Z',
    'yesterday',
    '-',
    '2025-07-02T17:00:01',
    `2025-07-02T17:00:01.${'1'.repeat(60)}Z`,
  ),
);
const bsd = mostly(
  pick(
    'Jul  2 17:00:01',
    'Jul 02 17:00:01',
    'Jul  2 19:00:01',
    'Dec 31 23:59:59',
    'Jan  1 00:00:00',
    'Feb 29 12:00:00',
  ),
  pick(
    'Jul 2 17:00:01',
    'Feb 30 12:00:00',
    'Jul  2 17:00:01.123',
    'Jul  2 2025 17:00:01',
    'Jul  2 17:00:01 2025',
    'jul  2 17:00:01',
  ),
);
const name = mostly(
  pick('host', 'auth', 'app.service', 'postfix/smtpd', '10.0.0.1', '-', 'x'.repeat(255)),
  fc.oneof(oddText, pick('fe80::1', 'x'.repeat(256), '123', 'a[1]')),
);
const tag = mostly(
  fc.tuple(name, pick('', '[12]', '[]', '[a.b]'), pick(': ', ':', ' ', '')).map((parts) => parts.join('')),
  pick('', 'no tag', '123: ', 'a[b c]: ', `a[${'1'.repeat(65)}]: `),
);
const space = mostly(pick(' '), pick('', '  ', '\t', ': ', ' : '));
const data = mostly(
  pick('-', '-', '[a b="c"]', '[a b="d"]', '[meta id="1 2"]', '[timeQuality tzKnown="1" isSynced="0"][a@1 b="x"]'),
  pick(
    '[a]',
    '[]',
    '[a b=1]',
    '[a b="\\]"]',
    '[a b="]"]',
    '[a b="é"]',
    '[a b="c"',
    '[a b="c"]x',
    '[a  b="c"]',
    '[a b="c" ]',
    '--',
    '',
  ),
);
const message = mostly(
  pick('hello world', 'with "quotes"', 'a\\b', 'Grüße', '😀', ' trimmed ', 'a\nb', '\ufeffmark'),
  fc.array(oddText, { maxLength: 3 }).map((parts) => parts.join('')),
);
const priority = mostly(pick('<6>', '<13>', '<0>', '<191>', '<013>'), pick('<192>', '<>', '<1234>', '', '<-1>', '<13'));
const join = (...parts: fc.Arbitrary<string>[]) => fc.tuple(...parts).map((all) => all.join(''));
const raw = join(
  instant,
  space,
  mostly(pick('[INFO]', '[warning]', '[3]', '[ERR]'), pick('[LOUD]', '[]', '[ INFO ]', '[\u0013]', '[[INFO]', 'INFO')),
  space,
  mostly(pick('[api]', '[a b]', '[é]', '["x"]'), pick('[]', '[ ]', '[\u00a0x]', '[a[b]', '[12] [u] (12ms):', 'api')),
  mostly(pick(' '), pick('', '  ')),
  message,
);
const rfc3164 = join(
  priority,
  fc.oneof(bsd, bsd, instant),
  space,
  mostly(join(name, pick(' ')), pick('')),
  tag,
  message,
);
const rfc5424 = join(
  priority,
  pick('1 '),
  ...[instant, name, name, name, name].flatMap((part) => [part, space]),
  data,
  mostly(pick(' '), pick('')),
  message,
);
/** A text, of which some have a byte that is another. */
export const textBytes: fc.Arbitrary<Buffer> = fc
  .tuple(fc.oneof(raw, rfc3164, rfc5424), fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 6 }))
  .map(([text, changes]) => {
    const mutated = Buffer.from(text);
    // Most texts stay as they are.
    const [first] = changes;
    if (changes.length > 2 && first !== undefined) mutated[first[0] % Math.max(1, mutated.length)] = first[1];
    return mutated;
  });

const journalTime = mostly(
  pick('"1751475601000123"', '"1751475601000123"', '"1751475602120000"', '"1751475601000000"'),
  pick(
    '"175147560100012"',
    '1751475601000123',
    '"0751475601000123"',
    '"17514756010001x3"',
    '""',
    'null',
    '"9999999999999999"',
  ),
);
const journalText = mostly(
  pick('"Cache miss"', '"a.service"', '"Grüße"', '"x"'),
  pick(
    '""',
    '" "',
    '" x "',
    '"\\n"',
    '"\u00a0x"',
    '[67,255]',
    '["a","b"]',
    'null',
    '7',
    '{"a":1}',
    '"\u0001"',
    '"open',
  ),
);
const journalName = mostly(
  pick('_HOSTNAME', '_PID', 'CODE_LINE', '__CURSOR', 'SYSLOG_IDENTIFIER', '_COMM', '_SYSTEMD_UNIT', 'MESSAGE_ID', 'X1'),
  pick(
    'message',
    'timestamp',
    'PRIORITY',
    'MESSAGE',
    '__REALTIME_TIMESTAMP',
    'É',
    '',
    'N'.repeat(65),
    'severityNumber',
  ),
);
const journalMember = fc.tuple(journalName, journalText).map(([member, value]) => `"${member}":${value}`);

/** An entry of the journal as JSON, or nearly one. */
export const entryBytes: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.array(journalMember, { maxLength: 6 }),
    mostly(pick('MESSAGE'), pick('message')),
    journalText,
    mostly(pick('"6"', '"0"', '"7"'), pick('"8"', '"err"', '6', 'null', '""')),
    journalTime,
    mostly(pick(','), pick(', ', ' ,', ',,')),
    mostly(pick('}'), pick('', ' }', '}}', '},')),
    fc.nat(3),
  )
  .map(([members, message, text, level, time, comma, end, lacks]) => {
    const own = [`"__REALTIME_TIMESTAMP":${time}`, `"${message}":${text}`, `"PRIORITY":${level}`];
    // Every fourth has no priority, or has its own members last.
    const all =
      lacks === 0 ? [...own.slice(0, 2), ...members] : lacks === 1 ? [...members, ...own] : [...own, ...members];
    return Buffer.from(`{${all.join(comma)}${end}`);
  });
