import { describe, expect, it } from 'vitest';
import { createLineIntake } from './append-lines.ts';

function createIntake(append: (lines: readonly Buffer[]) => Promise<void>) {
  const over = new AbortController();
  const counts = { appended: 0, unreadable: 0, givenUp: 0, retries: 0 };
  const count = (key: keyof typeof counts) => (lines: number) => {
    counts[key] += lines;
  };
  const intake = createLineIntake({
    file: { append },
    onAppended: count('appended'),
    onUnreadable: count('unreadable'),
    onGivenUp: count('givenUp'),
    onRetry: () => count('retries')(1),
    backoff: { firstMs: 1, maxMs: 1 },
    signal: over.signal,
  });
  const take = (text: string | Buffer, unread = 0) =>
    intake({
      bytes: Buffer.from(text as string),
      arrival: 0,
      after: Promise.resolve(),
      unread: Array.from({ length: unread }, () => ({ beginning: Buffer.alloc(1), reason: 'too long' })),
    });
  return { take, counts, over };
}

describe('an intake of lines', () => {
  it('appends lines as they are, but those that are no JSON object', async () => {
    let written = '';
    const { take, counts } = createIntake(async (lines) => {
      written += Buffer.concat(lines).toString('latin1');
    });
    await take('{"b": 1,  "a":2}\r\n[1]\nno\n\n{}\n"x"\n{"a":\n {"z":{"y":[1]}}\n', 2);
    expect(written).toBe('{"b": 1,  "a":2}\r\n{}\n {"z":{"y":[1]}}\n');
    await take(Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff), Buffer.from('"}\n{"a":1}\n')]));
    expect(written.endsWith('}}\n{"a":1}\n')).toBe(true);
    await take('\n\n');
    expect(counts).toEqual({ appended: 4, unreadable: 7, givenUp: 0, retries: 0 });
  });

  it('waits while the file cannot be written, and gives up only at the end of a stop', async () => {
    let isFull = true;
    const { take, counts, over } = createIntake(async () => {
      if (isFull) throw new Error('full');
    });
    const taken = take('{}\n');
    while (counts.retries < 3) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(counts.appended).toBe(0);
    isFull = false;
    await taken;
    expect(counts.appended).toBe(1);
    isFull = true;
    const last = take('{}\n{}\n');
    over.abort(new Error('over'));
    await expect(last).rejects.toThrow();
    expect(counts.givenUp).toBe(2);
  });
});
