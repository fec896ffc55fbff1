import { describe, expect, it } from 'vitest';
import { compilePattern } from './pattern.ts';
import { MAX_PATTERN_CHARACTERS, MAX_SEARCHED_BYTES } from './transform.ts';

function matches(pattern: string, text: string): boolean {
  const bytes = Buffer.from(`<${text}>`);
  return compilePattern(pattern)(bytes, 1, bytes.length - 1);
}

it.each([
  ['ERROR|WARN', 'a WARN b', true],
  ['^a', 'ba', false],
  ['b$', 'ab', true],
  ['(?i)error', 'an Error', true],
  ['(?<name>ü+)', 'üü', true],
  ['[<>]', 'only the text between', false],
  ['', 'anything', true],
])('%j in %j: %s', (pattern, text, expected) => expect(matches(pattern, text)).toBe(expected));

it('searches the first 64 KiB of a text', () => {
  expect(matches('x$', `${'a'.repeat(MAX_SEARCHED_BYTES - 1)}x`)).toBe(true);
  expect(matches('x', `${'a'.repeat(MAX_SEARCHED_BYTES)}x`)).toBe(false);
});

it('takes linear time for a pattern that takes others for ever', () => {
  const begun = performance.now();
  expect(matches('(a*)*(a*)*(a|aa)+$', `${'a'.repeat(20_000)}b`)).toBe(false);
  expect(performance.now() - begun).toBeLessThan(2_000);
});

describe('a pattern that cannot be used is refused with its place', () => {
  it.each([
    ['ab(c', 'the pattern "ab(c" is not valid: missing closing )'],
    ['ab*+*', /at character 3 \("\*\+/],
    ['a(?=b)', 'the pattern "a(?=b)" is not valid at character 2 ("(?=b)"): invalid or unsupported Perl syntax'],
    ['x[z-a]', 'at character 3 ("z-a]"): invalid character class range'],
    ['(a{100}){9}(?:bcd){50}', 'steps; at most 1000 are allowed'],
    ['a'.repeat(MAX_PATTERN_CHARACTERS + 1), 'the pattern has 1001 characters; at most 1000 are allowed'],
  ])('%#', (pattern, message) => expect(() => compilePattern(pattern)).toThrow(message));

  it('one of 1,000 characters is not', () => {
    expect(matches(`(?:${'a'.repeat(900)}|b)${' ?'.repeat(10)}`, 'b')).toBe(true);
  });
});
