import { describe, expect, it } from 'vitest';
import { createTagger, parseTagRule } from './tags.ts';
import { MAX_SEARCHED_BYTES } from './transform.ts';

const T = '2026-01-02T03:04:05Z';
const event = (message: string, more: Readonly<Record<string, unknown>> = {}) =>
  JSON.stringify({ timestamp: T, level: 'INFO', message, service: 'api', ...more });

function tagged(lines: readonly string[], rules?: Parameters<typeof createTagger>[0]) {
  const { lines: out, levels, tags } = createTagger(rules)(Buffer.from(lines.map((line) => `${line}\n`).join('')));
  return {
    lines: out.toString().split('\n').slice(0, -1),
    levels: Object.fromEntries(levels),
    tags: Object.fromEntries(tags),
  };
}

it('each line ends with its tag: login is auth, checkout payment, API api, all else general', () => {
  const messages = ['login of a', 'checkout done', 'an API call', 'api', 'login, then checkout', ''];
  const { lines, tags } = tagged(messages.map((message) => event(message)));
  const expected = ['auth', 'payment', 'api', 'general', 'auth', 'general'];
  expect(lines).toEqual(messages.map((message, i) => event(message, { tag: expected[i] })));
  expect(tags).toEqual({ auth: 2, payment: 1, api: 1, general: 2 });
});

it('rules are asked in order, of the message alone and of its text, not its JSON', () => {
  const rules = [
    { name: 'quote', pattern: '"' },
    { name: 'db', pattern: '^db' },
  ];
  expect(tagged([event('say "a"'), event('a', { x: 'db' }), event('db')], rules).tags).toEqual({
    quote: 1,
    general: 1,
    db: 1,
  });
});

it('a line that has a tag keeps it, and is counted under it', () => {
  const own = event('login', { tag: 'mine', a: 1 });
  const { lines, tags } = tagged([own, event('x', { tag: 7 })]);
  expect(lines).toEqual([own, event('x', { tag: 7 })]);
  expect(tags).toEqual({ mine: 1, 7: 1 });
});

it('records are counted by level', () => {
  expect(tagged([event('a'), event('b', { level: 'ERROR' }), event('c')]).levels).toEqual({ INFO: 2, ERROR: 1 });
});

it('a long message is matched by its beginning', () => {
  const at = (place: number) => event(`${'x'.repeat(place)}login`);
  expect(tagged([at(MAX_SEARCHED_BYTES - 5), at(MAX_SEARCHED_BYTES)]).tags).toEqual({ auth: 1, general: 1 });
});

it('nothing and a last line without a newline', () => {
  expect(createTagger()(Buffer.alloc(0)).lines.length).toBe(0);
  expect(createTagger()(Buffer.from(event('login'))).lines.toString()).toBe(event('login', { tag: 'auth' }));
});

describe('a rule', () => {
  it('is NAME=PATTERN, the pattern with any signs', () => {
    expect(parseTagRule('db=a=b|c')).toEqual({ name: 'db', pattern: 'a=b|c' });
  });

  it.each(['db', '=x', 'a b=x', `${'a'.repeat(65)}=x`])('%j is none', (text) => {
    expect(() => parseTagRule(text)).toThrow('a tag must be NAME=PATTERN');
  });

  it('there are at most 100, and each pattern must be valid', () => {
    expect(() => createTagger(Array(101).fill({ name: 'a', pattern: 'a' }))).toThrow('at most 100');
    expect(() => createTagger([{ name: 'a', pattern: '(' }])).toThrow('missing closing )');
  });
});
