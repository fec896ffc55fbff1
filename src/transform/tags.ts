import { createFieldFinder, type FindField } from '../lines/find-field.ts';
import { BYTES } from '../model/bytes.ts';
import { compilePattern } from './pattern.ts';
import { MAX_SEARCHED_BYTES, PatternError, type TagLines, type TagRule } from './transform.ts';

const { BACKSLASH, CLOSE_BRACE, NEWLINE } = BYTES;

/** The tags of older collectors. */
export const DEFAULT_TAG_RULES: readonly TagRule[] = [
  { name: 'auth', pattern: 'login' },
  { name: 'payment', pattern: 'checkout' },
  { name: 'api', pattern: 'API' },
];
/** Of a message that no rule matches. */
export const NO_RULE_TAG = 'general';
const MAX_RULES = 100;
const NAME = /^[A-Za-z0-9_.-]{1,64}$/;
/** A value that a line brings itself is counted up to so many characters. */
const MAX_COUNTED = 64;

/** Reads `NAME=PATTERN`. Throws PatternError. */
export function parseTagRule(text: string): TagRule {
  const equals = text.indexOf('=');
  const name = text.slice(0, equals);
  if (equals < 0 || !NAME.test(name)) {
    throw new PatternError(
      `a tag must be NAME=PATTERN, the name of 1 to 64 letters, digits, "_", "-" or ".", got ${JSON.stringify(text.slice(0, 200))}`,
    );
  }
  return { name, pattern: text.slice(equals + 1) };
}

/** Tags by the first rule that matches the message. Throws PatternError. */
export function createTagger(rules: readonly TagRule[] = DEFAULT_TAG_RULES): TagLines {
  if (rules.length > MAX_RULES)
    throw new PatternError(`there are ${rules.length} tags; at most ${MAX_RULES} are allowed`);
  const tests = rules.map(({ name, pattern }) => ({ name, matches: compilePattern(pattern), end: endOf(name) }));
  const fallback = { name: NO_RULE_TAG, end: endOf(NO_RULE_TAG) };
  const [findMessage, findLevel, findTag] = ['message', 'level', 'tag'].map(createFieldFinder) as [
    FindField,
    FindField,
    FindField,
  ];

  function tagOf(line: Buffer) {
    const message = messageOf(line, findMessage);
    return tests.find(({ matches }) => matches(message, 0, message.length)) ?? fallback;
  }

  return function tagLines(lines) {
    const levels = new Map<string, number>();
    const tags = new Map<string, number>();
    const parts: Buffer[] = [];
    /** Of the bytes that go on as they are. */
    let from = 0;
    for (let start = 0; start < lines.length; ) {
      const newline = lines.indexOf(NEWLINE, start);
      const end = newline < 0 ? lines.length : newline;
      const line = lines.subarray(start, end);
      count(levels, textOf(line, findLevel) ?? '-');
      const own = textOf(line, findTag);
      if (own !== undefined || lines[end - 1] !== CLOSE_BRACE) count(tags, own ?? NO_RULE_TAG);
      else {
        const tag = tagOf(line);
        count(tags, tag.name);
        parts.push(lines.subarray(from, end - 1), tag.end);
        from = end;
      }
      start = end + 1;
    }
    parts.push(lines.subarray(from));
    return { lines: Buffer.concat(parts), levels, tags };
  };
}

/** What a line ends with in place of its brace. */
function endOf(name: string): Buffer {
  return Buffer.from(`,"tag":${JSON.stringify(name)}}`);
}

/** As much of it as is searched. */
function messageOf(line: Buffer, find: FindField): Buffer {
  const span = find(line);
  if (span === undefined) return Buffer.alloc(0);
  const text = line.subarray(span.start + 1, span.end - 1);
  return text.includes(BACKSLASH)
    ? Buffer.from(String(JSON.parse(line.toString('utf8', span.start, span.end)))).subarray(0, MAX_SEARCHED_BYTES)
    : text;
}

/** The value of a field, as text: one that is no string as its JSON. */
function textOf(line: Buffer, find: FindField): string | undefined {
  const span = find(line);
  if (span === undefined) return undefined;
  const json = line.toString('utf8', span.start, Math.min(span.end, span.start + MAX_COUNTED + 2));
  return json.startsWith('"') ? json.slice(1).replace(/"$/, '') : json;
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
