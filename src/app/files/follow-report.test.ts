import { expect, it } from 'vitest';
import { aboutPath } from './follow-report.ts';

it.each([
  'path=a.log',
  'path=a.log is cut',
  'cannot read path=a.log: it is a folder',
  'path=a.log.1 and path=a.log',
])('does not say a path again: %s', (message) => expect(aboutPath('a.log', message)).toBe(message));

it.each([
  'no columns',
  'path=a.log.1 is cut',
  'path=a.log/b is cut',
])('says the path where the message has none, or another one: %s', (message) =>
  expect(aboutPath('a.log', message)).toBe(`a.log: ${message}`));
