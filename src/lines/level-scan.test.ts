import { expect, test } from 'vitest';
import { LEVELS, LEVELS_BY_NAME, toLevel } from '../model/level.ts';
import { LEVEL_VIEWS, levelNamed, levelOfDigit, MAX_LEVEL_LENGTH, storedLevelEnd } from './level-scan.ts';

function viewOf(text: string): DataView {
  const bytes = Buffer.from(text);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The level that the scanner reads from the text, which stands in quotes; undefined where it leaves it to toLevel. */
function scanned(text: string): string | undefined {
  return LEVELS[levelNamed(viewOf(`"${text}"`), 1, 1 + Buffer.byteLength(text))];
}

test('knows every name of a level in any case', () => {
  for (const [name, level] of LEVELS_BY_NAME) {
    for (const text of [name, name.toLowerCase(), `${name.slice(0, 1)}${name.slice(1).toLowerCase()}`]) {
      expect([text, scanned(text)]).toEqual([text, level]);
    }
  }
});

test('takes no text for a level that toLevel does not take, with any one byte changed, left out or added', () => {
  let levels = 0;
  for (const name of [...LEVELS_BY_NAME.keys(), '']) {
    for (let at = 0; at <= name.length; at++) {
      for (let byte = 0x20; byte < 0x7f; byte++) {
        const letter = String.fromCharCode(byte);
        const [before, after] = [name.slice(0, at), name.slice(at)];
        for (const text of [before + letter + after.slice(1), before + after.slice(1), before + letter + after]) {
          const found = scanned(text);
          if (found !== undefined) levels++;
          if (found !== undefined && found !== toLevel(text)) expect([text, found]).toEqual([text, toLevel(text)]);
        }
      }
    }
  }
  expect(levels).toBeGreaterThan(100);
});

test('leaves letters that only upper case makes a level to toLevel', () => {
  expect([toLevel('\u0131nfo'), scanned('\u0131nfo')]).toEqual(['INFO', undefined]);
  expect([toLevel(' info'), scanned(' info')]).toEqual(['INFO', undefined]);
});

test('ends a level only where it stands in stored form', () => {
  for (const level of LEVELS) {
    expect(storedLevelEnd(viewOf(`"${level}"}`.padEnd(9)), 1)).toBe(1 + level.length);
    for (let at = 0; at < level.length; at++) {
      for (let byte = 0; byte < 0x80; byte++) {
        const changed = level.slice(0, at) + String.fromCharCode(byte) + level.slice(at + 1);
        const end = storedLevelEnd(viewOf(`"${changed}"}`.padEnd(9)), 1);
        if (changed !== level) expect([changed, end]).toEqual([changed, -1]);
      }
    }
  }
});

test('has the stored form of each level, and knows the digits of syslog', () => {
  expect(LEVEL_VIEWS.map((view) => Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString())).toEqual(
    LEVELS,
  );
  expect(MAX_LEVEL_LENGTH).toBe(6);
  for (let digit = 0; digit < 8; digit++) expect(LEVELS[levelOfDigit(0x30 + digit)]).toBe(toLevel(digit));
});
