import { expect, test } from 'vitest';
import { readTarget } from './target.ts';

test.each([
  ['/logs', '/logs'],
  ['/logs?a=%6c#x', '/logs?a=%6c'],
  ['/%6cogs', '/logs'],
  ['/%6Cogs?invalid=skip', '/logs?invalid=skip'],
  ['/%256cogs', '/%256cogs'],
  ['/%2Flogs', '/%2Flogs'],
  ['/./logs', '/logs'],
  ['/a/../logs', '/logs'],
  ['/%2e/logs', '/logs'],
  ['//logs', '//logs'],
  ['/LOGS', '/LOGS'],
  ['http://h/%6cogs?x', '/logs?x'],
  ['*', '/'],
  ['/%', '/%'],
])('%j is %j', (url, expected) => {
  expect(readTarget(url)).toBe(expected);
});
