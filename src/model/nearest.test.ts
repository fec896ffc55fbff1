import { expect, test } from 'vitest';
import { nearest } from './nearest.ts';

const known = ['addr', 'maxBodyBytes', 'maxInFlightBytes', 'requestTimeout'];

test.each([
  ['maxBodyByts', 'maxBodyBytes'],
  ['MAXBODYBYTES', 'maxBodyBytes'],
  ['adr', 'addr'],
  ['adrd', 'addr'],
  ['dadr', 'addr'],
  ['requestTimeuot', 'requestTimeout'],
  ['request', 'requestTimeout'],
])('%s means %s', (word, meant) => expect(nearest(word, known)).toBe(meant));

test.each(['', 'x', 'completely', 'port', 'max', 're', 'm'.repeat(100_000)])('%s means nothing known', (word) => {
  expect(nearest(word, known)).toBeUndefined();
});
