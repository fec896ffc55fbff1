import { describe, expect, test } from 'vitest';
import { createAuthenticate, WRONG_KEYS } from './auth.ts';
import { createRateLimit } from './logs/rate-limit.ts';

function createFixture() {
  const time = { seconds: 1_000 };
  const refused: (string | undefined)[] = [];
  const takeWrongKey = createRateLimit({ ...WRONG_KEYS, now: () => BigInt(time.seconds) * 1_000_000_000n });
  const authenticate = createAuthenticate(
    { enabled: true, headerName: 'X-API-Key', keys: ['right', 'other'] },
    { takeWrongKey, onRefused: (client) => refused.push(client) },
  );
  const check = (remoteAddress: string | undefined, headers: Record<string, string>) => {
    const answer = authenticate?.check({ headers, remoteAddress });
    return typeof answer === 'object' ? answer.kind : answer;
  };
  const guess = (address: string, times: number) =>
    Array.from({ length: times }, (_, i) => check(address, { 'x-api-key': `guess ${i}` }));
  return { time, refused, check, guess };
}

describe('createAuthenticate', () => {
  test('needs no key when it is off', () => {
    const options = { takeWrongKey: () => 0, onRefused: () => undefined };
    expect(createAuthenticate({ enabled: false, headerName: 'X-API-Key', keys: ['a'] }, options)).toBeUndefined();
  });

  test('slows wrong keys after 30, and ten a minute from then on', () => {
    const { time, guess } = createFixture();
    expect(guess('192.0.2.1', 31)).toEqual([...Array.from({ length: 30 }, () => 'unauthorized'), 'rate-limited']);
    time.seconds += 6;
    expect(guess('192.0.2.1', 2)).toEqual(['unauthorized', 'rate-limited']);
    time.seconds += 60;
    expect(guess('192.0.2.1', 31).filter((kind) => kind === 'unauthorized')).toHaveLength(10);
  });

  test('knows right keys from an address that guesses', () => {
    const { guess, check } = createFixture();
    guess('192.0.2.1', 90);
    expect(check('192.0.2.1', { 'x-api-key': 'right' })).toBe(0);
    expect(check('192.0.2.1', { authorization: 'Bearer other' })).toBe(1);
    expect(check('192.0.2.1', { 'x-api-key': 'guess', authorization: 'Bearer other' })).toBe(1);
  });

  test('counts an IPv6 network of 64 bits as one client, and other clients by themselves', () => {
    const { guess, refused } = createFixture();
    for (let host = 1; host <= 30; host++) expect(guess(`2001:db8::${host}`, 1)).toEqual(['unauthorized']);
    expect(guess('2001:db8:0:0:ffff::1', 1)).toEqual(['rate-limited']);
    expect(refused.at(-1)).toBe('2001:db8:0:0::/64');
    expect(guess('2001:db8:0:1::1', 1)).toEqual(['unauthorized']);
    expect(guess('::ffff:192.0.2.1', 1)).toEqual(['unauthorized']);
  });

  test('does not count requests without a key', () => {
    const { check, guess, refused } = createFixture();
    for (let i = 0; i < 50; i++) {
      expect(check('192.0.2.1', {})).toBe('unauthorized');
      expect(check('192.0.2.1', { authorization: 'Basic dXNlcg==' })).toBe('unauthorized');
    }
    expect(refused).toHaveLength(100);
    expect(guess('192.0.2.1', 1)).toEqual(['unauthorized']);
  });

  test('slows clients whose address is not known together', () => {
    const { check } = createFixture();
    const kinds = Array.from({ length: 31 }, () => check(undefined, { 'x-api-key': 'guess' }));
    expect(kinds.at(-1)).toBe('rate-limited');
  });
});
