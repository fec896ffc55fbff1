import { createRequire } from 'node:module';
import type * as Re2Library from 're2js';
import { MAX_PATTERN_CHARACTERS, MAX_SEARCHED_BYTES, PatternError, type TextTest } from './transform.ts';

const require = createRequire(import.meta.url);
/** Instructions of a compiled pattern: at worst each takes 10 to 30 ns for each byte that is searched. */
const MAX_PROGRAM_SIZE = 1_000;

/** Compiles a pattern in the syntax of RE2. Throws PatternError. The library is loaded with the first one. */
export function compilePattern(pattern: string): TextTest {
  if (pattern.length > MAX_PATTERN_CHARACTERS) {
    throw new PatternError(
      `the pattern has ${pattern.length} characters; at most ${MAX_PATTERN_CHARACTERS} are allowed`,
    );
  }
  const { RE2JS } = require('re2js') as typeof Re2Library;
  let compiled: Re2Library.RE2JS;
  try {
    compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
  } catch (error) {
    throw new PatternError(describeFault(pattern, error));
  }
  const size = compiled.programSize();
  if (size > MAX_PROGRAM_SIZE) {
    throw new PatternError(
      `the pattern ${quote(pattern)} takes ${size} steps; at most ${MAX_PROGRAM_SIZE} are allowed`,
    );
  }
  return (bytes, start, end) => compiled.test(bytes.toString('utf8', start, Math.min(end, start + MAX_SEARCHED_BYTES)));
}

/** `the pattern "a(b" is not valid at character 1 ("(b"): missing closing )` */
function describeFault(pattern: string, error: unknown): string {
  const { message = '' } = error instanceof Error ? error : {};
  const [, reason = message, part = ''] = /^error parsing regexp: (.*): `(.*)`$/s.exec(message) ?? [];
  const at = part === '' || part === pattern ? -1 : pattern.indexOf(part);
  const place = at < 0 ? '' : ` at character ${at + 1} (${quote(pattern.slice(at, at + MAX_SHOWN))})`;
  return `the pattern ${quote(pattern)} is not valid${place}: ${reason}`;
}

const MAX_SHOWN = 20;

function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
