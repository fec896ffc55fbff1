import { expect, test } from 'vitest';
import { unescapeLog } from './unescape.ts';

test.each([
  ['plain', 'plain'],
  ['say \\"hi\\" \\x22ho\\x22', 'say "hi" "ho"'],
  ['a\\\\b\\tc\\nd', 'a\\b\tc\nd'],
  ['caf\\xc3\\xA9', 'café'],
  ['caf\\xe9 \\x41', 'caf\\xe9 \\x41'],
  ['\\x4', 'x4'],
  ['ends in \\', 'ends in \\'],
  ['é\\x21', 'é!'],
])('reads %s as %s', (text, unescaped) => {
  expect(unescapeLog(text)).toBe(unescaped);
});
