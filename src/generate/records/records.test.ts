import { describe, expect, it } from 'vitest';
import { RECORD_KINDS, type RecordKind } from '../generate.ts';
import { createRecords, type RecordOptions } from './records.ts';

const AT = Date.parse('2025-07-02T17:00:01.250Z');

function make(kind: RecordKind, count: number, options: Partial<RecordOptions> = {}) {
  const next = createRecords({ kind, seed: 7, producer: 0, fields: {}, ...options });
  return Array.from({ length: count }, (_, i) => next(AT + i).fields);
}

describe.each(RECORD_KINDS)('records of kind %s', (kind) => {
  it('are the same for the same seed, and others for another seed or producer', () => {
    const records = make(kind, 50);
    expect(make(kind, 50)).toEqual(records);
    expect(make(kind, 50, { seed: 8 })).not.toEqual(records);
    expect(make(kind, 50, { producer: 1 })).not.toEqual(records);
  });

  it('carry fields of the user, which win', () => {
    const [record] = make(kind, 1, { fields: { region: 'eu', level: 'DEBUG' } });
    expect(record).toMatchObject({ region: 'eu', level: 'DEBUG' });
  });
});

describe('levels', () => {
  it.each([
    'events',
    'entry',
    'producer',
  ] as const)('of %s are ERROR in 5 of 100, WARN in 10, DEBUG in 17, INFO in 68', (kind) => {
    const counts: Record<string, number> = {};
    for (const { level = '' } of make(kind, 100_000)) counts[level] = (counts[level] ?? 0) + 1;
    expect(Object.keys(counts).sort()).toEqual(['DEBUG', 'ERROR', 'INFO', 'WARN']);
    expect((counts.ERROR ?? 0) / 100_000).toBeCloseTo(0.05, 2);
    expect((counts.WARN ?? 0) / 100_000).toBeCloseTo(0.1, 2);
    expect((counts.DEBUG ?? 0) / 100_000).toBeCloseTo(0.17, 2);
  });
});

describe('events', () => {
  it('walk their sessions from login to logout, each by one user', () => {
    const sessions = new Map<string, { users: Set<unknown>; actions: string[] }>();
    for (const { session_token = '', user_id, message } of make('events', 5_000)) {
      const session = sessions.get(String(session_token)) ?? { users: new Set(), actions: [] };
      sessions.set(String(session_token), session);
      session.users.add(user_id);
      session.actions.push(String(message).split(' ', 1)[0] ?? '');
    }
    const whole = [...sessions.values()].filter(({ actions }) => actions.at(-1) === 'logout');
    expect(whole.length).toBeGreaterThan(100);
    for (const { users, actions } of whole) {
      expect(users.size).toBe(1);
      expect(actions.join(' ')).toMatch(
        /^login ((browse|search) )+view_item (((browse|search|view_item|add_to_cart) )*)(checkout )?(purchase )?logout$/,
      );
      if (actions.includes('purchase')) expect(actions.indexOf('checkout')).toBeLessThan(actions.indexOf('purchase'));
      if (actions.includes('checkout')) expect(actions).toContain('add_to_cart');
    }
    expect(whole.some(({ actions }) => actions.includes('purchase'))).toBe(true);
  });

  it('come from five services and have a request and a duration', () => {
    const records = make('events', 500);
    expect([...new Set(records.map(({ service }) => service))].sort()).toEqual([
      'api',
      'auth',
      'db',
      'notification',
      'payment',
    ]);
    expect(new Set(records.map(({ request_id }) => request_id)).size).toBe(500);
    for (const { duration } of records) expect(duration).toBeGreaterThan(0);
  });
});

describe('--size', () => {
  it('makes the message of a producer A to Z, again and again, as older programs have it', () => {
    const [record] = make('producer', 1, { size: 30 });
    expect(record).toEqual({
      source: 'producer',
      timestamp: 1_751_475_601,
      level: expect.stringMatching(/^(DEBUG|INFO|WARN|ERROR)$/),
      message: 'ABCDEFGHIJKLMNOPQRSTUVWXYZABCD',
    });
  });

  it.each([5, 26, 100, 8_192])('gives every message %d characters', (size) => {
    for (const kind of ['events', 'entry', 'producer'] as const) {
      for (const { message } of make(kind, 20, { size })) expect(String(message)).toHaveLength(size);
    }
  });
});

it('an access record has what POST /logs asks for', () => {
  for (const record of make('access', 100)) {
    expect(record).toMatchObject({
      timestamp: expect.stringMatching(/^2025-07-02T17:00:01\.\d{3}Z$/),
      path: expect.stringMatching(/^\/\w/),
      userAgent: expect.stringMatching(/\w/),
    });
  }
});
