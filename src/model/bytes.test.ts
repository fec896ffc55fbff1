import { expect, test } from 'vitest';
import { BYTES, countLines, isContinuation, isDigit, isHexDigit, isSimpleEscape, isWhite } from './bytes.ts';

const CHARACTERS = Array.from({ length: 256 }, (_, byte) => [byte, String.fromCharCode(byte)] as const);

/** The characters below 256 whose bytes the test holds for. */
function charactersOf(test: (byte: number) => boolean): string {
  return CHARACTERS.filter(([byte]) => test(byte))
    .map(([, character]) => character)
    .join('');
}

test('every named byte is the character that its name says', () => {
  const { TAB, NEWLINE, RETURN, SPACE, QUOTE, PLUS, COMMA, MINUS, POINT, SLASH, ZERO, COLON } = BYTES;
  expect(String.fromCharCode(TAB, NEWLINE, RETURN, SPACE, QUOTE, PLUS, COMMA, MINUS, POINT, SLASH, ZERO, COLON)).toBe(
    '\t\n\r "+,-./0:',
  );
  const { OPEN_BRACKET, BACKSLASH, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE } = BYTES;
  expect(String.fromCharCode(OPEN_BRACKET, BACKSLASH, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE)).toBe('[\\]{}');
  for (const [name, value] of Object.entries(BYTES)) {
    const [, size, letter = ''] = /^(UPPER|LOWER)_([A-Z])$/.exec(name) ?? [];
    if (size !== undefined) expect(value).toBe((size === 'UPPER' ? letter : letter.toLowerCase()).charCodeAt(0));
  }
});

test('bytes are sorted into digits, hex digits, white space, escapes and continuations', () => {
  expect(charactersOf(isDigit)).toBe('0123456789');
  expect(charactersOf(isHexDigit)).toBe('0123456789ABCDEFabcdef');
  expect(charactersOf(isWhite)).toBe('\t\n\r ');
  expect(charactersOf(isSimpleEscape)).toBe('"/\\bfnrt');
  expect(CHARACTERS.filter(([byte]) => isContinuation(byte)).map(([byte]) => byte)).toEqual(
    Array.from({ length: 64 }, (_, i) => 0x80 + i),
  );
});

test('no byte is none of them', () => {
  for (const is of [isHexDigit, isWhite, isSimpleEscape, isContinuation]) {
    expect(is(undefined)).toBe(false);
  }
});

test('counts lines by their newlines', () => {
  expect(['', 'a', '\n', 'a\nb', 'a\nb\n'].map((text) => countLines(Buffer.from(text)))).toEqual([0, 0, 1, 1, 2]);
});
