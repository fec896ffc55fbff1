import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IdempotencyNote } from './deliver.ts';
import { KeyTable } from './key-table.ts';

const LONG = `{"accepted":98,"rejected":2,"errors":[${'{"index":1,"field":"a","reason":"b"},'.repeat(9)}{}]}`;
const SHORT = '{"accepted":98,"rejected":2}';

function note(key: string, more: Partial<IdempotencyNote> = {}): IdempotencyNote {
  return { key, bodyHash: 'h', answer: '{"accepted":1}', time: 1, ...more };
}

const known = (table: KeyTable, key: string, more: Partial<IdempotencyNote> = {}) =>
  table.find(note(key, more), Number.NEGATIVE_INFINITY);

describe('the table of keys', () => {
  it('knows the answer, and whether the body is the same', () => {
    const table = new KeyTable({ maxKeys: 10 });
    const bodyHash = '0123456789abcdef0123456789abcdef';
    table.add(note('a', { bodyHash, answer: '{"accepted":7}' }));
    expect(known(table, 'a', { bodyHash })).toEqual({ sameBody: true, answer: '{"accepted":7}' });
    expect(known(table, 'a', { bodyHash: bodyHash.replace('0', '1') })?.sameBody).toBe(false);
    expect(known(table, 'a', { bodyHash: 'any text' })?.sameBody).toBe(false);
    expect(known(table, 'b')).toBeUndefined();
  });

  it.each([
    '{"accepted":0}',
    '{"accepted":999999999}',
    SHORT,
    LONG,
    '{}',
    'any text',
    '{"accepted":1e3}',
  ])('repeats the answer %s letter for letter', (answer) => {
    const table = new KeyTable({ maxKeys: 10 });
    table.add(note('a', { answer }));
    expect(known(table, 'a')?.answer).toBe(answer);
  });

  it('does what a map would do, whatever comes in which order', () => {
    const step = fc.record({ key: fc.integer({ min: 0, max: 40 }), owner: fc.constantFrom('x', 'y'), by: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), fc.integer({ min: 1, max: 30 }), (steps, maxKeys) => {
        const table = new KeyTable({ maxKeys });
        const model = new Map<string, number>();
        let time = 0;
        for (const { key, owner, by } of steps) {
          time += by;
          table.add(note(`k${key}`, { owner, time, answer: `{"accepted":${time}}` }));
          model.delete(`${owner}${key}`);
          model.set(`${owner}${key}`, time);
          table.dropUntil(time - 20);
          for (const [name, at] of model) {
            if (model.size <= maxKeys && at > time - 20) break;
            model.delete(name);
          }
        }
        expect(table.size).toBe(model.size);
        expect(table.oldest()).toBe(model.values().next().value);
        for (let key = 0; key <= 40; key++) {
          for (const owner of ['x', 'y']) {
            const at = model.get(`${owner}${key}`);
            expect(known(table, `k${key}`, { owner })?.answer).toBe(at === undefined ? at : `{"accepted":${at}}`);
          }
        }
      }),
    );
  });

  it('stays as small as its limit while many times as many keys pass', () => {
    const table = new KeyTable({ maxKeys: 20_000 });
    for (let i = 0; i < 100_000; i++) table.add(note(`k${i}`, { time: i }));
    expect(table.size).toBe(20_000);
    expect(table.bytes).toBeLessThan(20_000 * 120);
    expect(known(table, 'k79999')).toBeUndefined();
    expect(known(table, 'k80000')).toBeDefined();
    table.dropUntil(99_998);
    expect([table.size, table.oldest()]).toEqual([1, 99_999]);
  });

  it('does not know a key that is too old, also behind one that is newer', () => {
    const table = new KeyTable({ maxKeys: 10 });
    table.add(note('late', { time: 9 }));
    table.add(note('early', { time: 3 }));
    table.dropUntil(5);
    expect(table.find(note('late'), 5)).toBeDefined();
    expect(table.find(note('early'), 5)).toBeUndefined();
  });
});

describe('an owner', () => {
  it('has its keys for itself', () => {
    const table = new KeyTable({ maxKeys: 10 });
    table.add(note('k', { owner: 'a', bodyHash: 'one' }));
    expect(known(table, 'k', { owner: 'b', bodyHash: 'one' })).toBeUndefined();
    table.add(note('k', { owner: 'b', bodyHash: 'two' }));
    expect(known(table, 'k', { owner: 'a', bodyHash: 'one' })?.sameBody).toBe(true);
    expect(known(table, 'k', { owner: 'a', bodyHash: 'two' })?.sameBody).toBe(false);
    expect(known(table, 'k', { owner: 'b', bodyHash: 'two' })?.sameBody).toBe(true);
    expect(table.size).toBe(2);
  });

  it('matches a key that was remembered without one, and a request without one matches every owner’s', () => {
    const table = new KeyTable({ maxKeys: 10 });
    table.add(note('old'));
    expect(known(table, 'old', { owner: 'a' })?.sameBody).toBe(true);
    expect(known(table, 'old', { owner: 'a', bodyHash: 'other' })?.sameBody).toBe(false);
    table.add(note('k', { owner: 'a', bodyHash: 'one' }));
    table.add(note('k', { owner: 'b', bodyHash: 'two' }));
    for (const bodyHash of ['one', 'two']) expect(known(table, 'k', { bodyHash })?.sameBody).toBe(true);
    expect(known(table, 'k', { bodyHash: 'three' })?.sameBody).toBe(false);
  });
});

describe('long answers', () => {
  it('go first when there are too many bytes of them, the oldest before the others, and leave the counts', () => {
    const table = new KeyTable({ maxKeys: 1000, maxTextBytes: 10 * LONG.length });
    for (let i = 0; i < 100; i++) table.add(note(`k${i}`, { answer: LONG }));
    expect(table.size).toBe(100);
    expect(known(table, 'k0')).toEqual({ sameBody: true, answer: SHORT });
    expect(known(table, 'k99')?.answer).toBe(LONG);
    const before = table.bytes;
    for (let i = 0; i < 1000; i++) table.add(note(`again${i}`, { answer: LONG }));
    expect(table.bytes - before).toBeLessThan(100_000);
  });

  it('of unusual length are never kept', () => {
    const table = new KeyTable({ maxKeys: 10 });
    table.add(note('a', { answer: LONG.replace('"a"', `"${'a'.repeat(1_000_000)}"`) }));
    table.add(note('b', { answer: 'x'.repeat(1_000_000) }));
    expect(known(table, 'a')?.answer).toBe(SHORT);
    expect(known(table, 'b')?.answer).toBe('{}');
  });

  it('come back with the copy of their records, and not to another record', () => {
    const table = new KeyTable({ maxKeys: 10 });
    for (const key of ['gone', 'a', 'b', 'gone']) table.add(note(key, { answer: LONG, owner: key }));
    const { records, texts } = table.copy(0, table.end);
    expect(texts.map(([place]) => place)).toEqual([0, 1, 2]);
    const copy = new KeyTable({ maxKeys: 10 });
    copy.add(note('first'));
    const first = copy.end;
    copy.addRecords(records);
    for (const [place, check, text] of texts) copy.restoreText(first + place + (place === 1 ? 1 : 0), check, text);
    copy.restoreText(copy.end, 0, LONG);
    expect(known(copy, 'a', { owner: 'a' })?.answer).toBe(LONG);
    expect(known(copy, 'b', { owner: 'b' })?.answer).toBe(SHORT);
    expect(known(copy, 'gone', { owner: 'gone' })?.answer).toBe(LONG);
    expect(copy.size).toBe(4);
  });
});
