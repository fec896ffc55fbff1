import { expect, test } from 'vitest';
import { InstantScan } from '../lines/instant-scan.ts';
import { findStop, findValueStop, isTrimmed } from '../lines/scan-text.ts';
import { parseTimestamp } from '../lines/timestamp.ts';
import { ValueScan } from './value-scan.ts';

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

test('stops at quotes, backslashes, control characters and, for CSV, commas, at any place', () => {
  for (let length = 1; length <= 13; length++) {
    for (let at = 0; at < length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        for (const filler of [0x20, 0x21, 0x23, 0x7f, 0x80, 0xff]) {
          const bytes = Buffer.alloc(length, filler);
          bytes[at] = byte;
          const isStop = byte < 0x20 || byte === 0x22 || byte === 0x5c;
          const expected = isStop ? at : length;
          if (findStop(bytes, viewOf(bytes), 0, 100) !== expected) expect({ length, at, byte, filler }).toBe('a stop');
          const expectedValue = isStop || byte === 0x2c ? at : length;
          if (findValueStop(bytes, viewOf(bytes), 0, 100) !== expectedValue) expect({ at, byte }).toBe('a value stop');
        }
      }
    }
  }
});

test('reads no further than its limit', () => {
  const bytes = Buffer.from('abcdefghijk"');
  for (let limit = 0; limit <= 12; limit++) expect(findStop(bytes, viewOf(bytes), 0, limit)).toBe(Math.min(limit, 11));
  expect(findValueStop(bytes, viewOf(bytes), 0, 5)).toBe(5);
});

test('knows for every character whether trim removes it', () => {
  // Of the planes above the first, where none is, every 97th.
  for (let code = 0; code <= 0x10ffff; code += code < 0xffff ? 1 : 97) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const character = String.fromCodePoint(code);
    const isKept = character.trim() === character;
    for (const text of [character, `${character}x`, `x${character}`]) {
      const bytes = Buffer.from(`é${text}é`);
      if (isTrimmed(bytes, 2, bytes.length - 2) !== isKept) expect({ code, text }).toBe('trimmed alike');
    }
  }
});

test('accepts the numbers that JSON.parse accepts', () => {
  const alphabet = ['-', '+', '0', '1', '9', '.', 'e', 'E'];
  let texts = [''];
  for (let length = 1; length <= 5; length++) {
    texts = texts.flatMap((text) => alphabet.map((letter) => text + letter));
    for (const text of texts) if (isWhole(text) !== isJson(text)) expect(text).toBe(`${isJson(text)}`);
  }
});

test('accepts the escapes and literals that JSON.parse accepts', () => {
  for (let byte = 0; byte < 128; byte++) {
    const letter = String.fromCharCode(byte);
    const texts = [`"\\${letter}"`, `"\\u00${letter}0"`, `"\\u${letter}fFa"`, `"\\uaBc${letter}"`, `"${letter}"`];
    texts.push(`t${letter}ue`, `tr${letter}e`, `tru${letter}`, `fals${letter}`, `f${letter}lse`, `nul${letter}`);
    for (const text of texts) if (isWhole(text) !== isJson(text)) expect(text).toBe(`${isJson(text)}`);
  }
});

test('reads a timestamp with any one byte changed as parseTimestamp reads it', () => {
  const templates = [
    '2024-02-29T19:59:59Z',
    '2025-11-22T15:23:00.120Z',
    '9999-12-31T23:00:00.0-00:00',
    '0001-01-01T00:00:00+00:00',
  ];
  for (const template of templates) {
    for (let at = 0; at < template.length; at++) {
      for (let byte = 0x20; byte < 0x7f; byte++) {
        const text = template.slice(0, at) + String.fromCharCode(byte) + template.slice(at + 1);
        const expected = parseTimestamp(text);
        const read = readInstant(text);
        if (read?.text !== expected?.text || read?.hour !== expected?.hour) expect({ text, read }).toEqual(expected);
      }
    }
  }
});

function readInstant(text: string): { text: string; hour: number } | undefined {
  const bytes = Buffer.from(`"${text}"`);
  const scan = new InstantScan(bytes, viewOf(bytes));
  // Once for the hour that is then known, once by it.
  for (let i = 0; i < 2; i++) if (!scan.read(1, bytes.length - 1)) return undefined;
  const z = scan.canonicalEnd(1);
  const stored = scan.text ?? `${bytes.toString('latin1', 1, scan.end)}Z`;
  if ((z === bytes.length - 2) !== (stored === text))
    throw new Error(`cannot agree on text=${text}: canonicalEnd=${z}`);
  return { text: stored, hour: scan.hour };
}

/** Whether the scanner takes all of the text as one value. */
function isWhole(text: string): boolean {
  const bytes = Buffer.from(text);
  const scan = new ValueScan(bytes, viewOf(bytes), 64);
  scan.limit = 1_000;
  return scan.valueEnd(0) === bytes.length;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
