import { describe, expect, test } from 'vitest';
import type { KeyedClass } from './access.ts';
import { createAuthenticate, type HttpAuth, WRONG_KEYS } from './auth.ts';
import { createRateLimit } from './logs/rate-limit.ts';

const AUTH: HttpAuth = {
  enabled: true,
  headerName: 'X-API-Key',
  keys: ['right', 'other'],
  readKeys: [],
  adminKeys: [],
  metrics: false,
};

function createFixture(auth: Partial<HttpAuth> = {}) {
  const time = { seconds: 1_000 };
  const refused: (string | undefined)[] = [];
  const takeWrongKey = createRateLimit({ ...WRONG_KEYS, now: () => BigInt(time.seconds) * 1_000_000_000n });
  const authenticate = createAuthenticate(
    { ...AUTH, ...auth },
    { takeWrongKey, onRefused: (client) => refused.push(client) },
  );
  const check = (remoteAddress: string | undefined, headers: Record<string, string>, access: KeyedClass = 'send') => {
    const answer = authenticate?.check({ headers, remoteAddress }, access);
    return typeof answer === 'object' ? answer.kind : answer;
  };
  const guess = (address: string, times: number) =>
    Array.from({ length: times }, (_, i) => check(address, { 'x-api-key': `guess ${i}` }));
  return { time, refused, check, guess, ownerOf: authenticate?.ownerOf };
}

describe('createAuthenticate', () => {
  test('needs no key when it is off', () => {
    const options = { takeWrongKey: () => 0, onRefused: () => undefined };
    expect(createAuthenticate({ ...AUTH, enabled: false }, options)).toBeUndefined();
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

  const CLASSES = { keys: ['s', 'both'], readKeys: ['r', 'both'], adminKeys: ['a'] };

  test.each([
    ['s', ['allowed', 'forbidden', 'forbidden']],
    ['r', ['forbidden', 'allowed', 'forbidden']],
    ['a', ['forbidden', 'forbidden', 'allowed']],
    ['both', ['allowed', 'allowed', 'forbidden']],
    ['none', ['unauthorized', 'unauthorized', 'unauthorized']],
  ])('the key %s may send, read, administer: %j', (key, expected) => {
    const { check } = createFixture(CLASSES);
    const answers = (['send', 'read', 'admin'] as const).map((access) => {
      const answer = check('192.0.2.1', { 'x-api-key': key }, access);
      return typeof answer === 'number' ? 'allowed' : answer;
    });
    expect(answers).toEqual(expected);
  });

  test.each(['read', 'admin'] as const)('a key that sends has the class %s where that has no keys', (access) => {
    expect(createFixture().check('192.0.2.1', { 'x-api-key': 'right' }, access)).toBe(0);
    const { check } = createFixture({ readKeys: ['r'], adminKeys: ['a'] });
    expect(check('192.0.2.1', { 'x-api-key': 'right' }, access)).toBe('forbidden');
  });

  test('takes the one of two keys that has the class, wherever it stands', () => {
    const { check, ownerOf } = createFixture(CLASSES);
    const [one, other] = [
      { 'x-api-key': 's', authorization: 'Bearer r' },
      { 'x-api-key': 'r', authorization: 'Bearer s' },
    ];
    for (const access of ['send', 'read'] as const) {
      expect(check('192.0.2.1', one, access)).toBe(check('192.0.2.1', other, access));
      expect(check('192.0.2.1', one, access)).toBeTypeOf('number');
    }
    expect(ownerOf?.(one)).toBe(ownerOf?.(other));
    expect(ownerOf?.(one)).toBe(ownerOf?.({ 'x-api-key': 's' }));
  });

  test('a key of another class is no guess, and is counted as refused', () => {
    const { check, refused, guess } = createFixture(CLASSES);
    for (let i = 0; i < 50; i++) expect(check('192.0.2.1', { 'x-api-key': 's' }, 'read')).toBe('forbidden');
    expect(refused).toHaveLength(50);
    expect(guess('192.0.2.1', 1)).toEqual(['unauthorized']);
  });
});
