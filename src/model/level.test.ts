import { expect, test } from 'vitest';
import { LEVEL_SYNONYMS, LEVELS, levelOfSeverity, toLevel } from './level.ts';

test('reads every level and every synonym in any case', () => {
  for (const level of LEVELS) {
    expect(toLevel(level)).toBe(level);
    expect(toLevel(` ${level.toLowerCase()}\t`)).toBe(level);
  }
  for (const [name, level] of Object.entries(LEVEL_SYNONYMS)) expect(toLevel(name.toLowerCase())).toBe(level);
});

test('reads the numbers of syslog, as text and as numbers', () => {
  const levels = ['EMERG', 'ALERT', 'CRIT', 'ERROR', 'WARN', 'NOTICE', 'INFO', 'DEBUG'];
  expect(levels.map((_, number) => toLevel(number))).toEqual(levels);
  expect(levels.map((_, number) => toLevel(String(number)))).toEqual(levels);
});

test.each([
  '',
  'loud',
  '8',
  '-1',
  '07',
  'INFO INFO',
  'constructor',
  '__proto__',
  ' '.repeat(40),
  8,
  -1,
  1.5,
  Number.NaN,
])('takes %j for no level', (value) => expect(toLevel(value)).toBeUndefined());

test('reads the severity numbers of OpenTelemetry', () => {
  expect([1, 4, 5, 9, 12, 13, 17, 21, 24].map(levelOfSeverity)).toEqual([
    ...['TRACE', 'TRACE', 'DEBUG', 'INFO', 'INFO', 'WARN', 'ERROR', 'CRIT', 'CRIT'],
  ]);
  for (const none of [0, 25, 1.5, '9', null, undefined]) expect(levelOfSeverity(none)).toBeUndefined();
});
