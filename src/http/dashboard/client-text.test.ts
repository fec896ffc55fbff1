import { expect, test } from 'vitest';

/** The page is plain JavaScript, which has no types. */
interface ClientText {
  splitText(text: string): { readonly text: string; readonly isCode: boolean }[];
  plainText(text: string): string;
}

const page: string = new URL('./page/client-text.js', import.meta.url).href;
const { splitText, plainText } = (await import(page)) as ClientText;

test('text that shows as it is stays whole', () => {
  expect(splitText('/日記/é😀 "<b>"')).toEqual([{ text: '/日記/é😀 "<b>"', isCode: false }]);
  expect(splitText('')).toEqual([]);
});

test('characters that mislead become their code points, wherever they stand', () => {
  expect(splitText('\u202e/gpj.exe\u2066\u2069x\u{e0041}')).toEqual([
    { text: 'U+202E', isCode: true },
    { text: '/gpj.exe', isCode: false },
    { text: 'U+2066', isCode: true },
    { text: 'U+2069', isCode: true },
    { text: 'x', isCode: false },
    { text: 'U+E0041', isCode: true },
  ]);
  expect(plainText('a\u202eb')).toBe('a[U+202E]b');
});

test.each([
  ...['\0', '\t', '\n', '\x1b', '\x7f', '\u0080', '\u009f', '\u200b', '\u200e', '\u200f', '\u202a', '\u202d', '\u2066'],
  ...['\u2068', '\u061c', '\u2060', '\ufeff', '\u00ad', '\u3164', '\ufe0f', '\u2028', '\ud800'],
])('%j is one of them', (character) => {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  expect(splitText(character)).toEqual([{ text: `U+${code}`, isCode: true }]);
});
