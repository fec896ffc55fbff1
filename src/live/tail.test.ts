import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Batch } from '../model/chunk.ts';
import type { Deliver, Receipt } from '../model/deliver.ts';
import type { TailFilter, TailPiece } from './live.ts';
import { createTails, type TailOptions } from './tail.ts';

const FLUSH_MS = 100;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function line(path: string, userAgent = 'curl/8', extra: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ timestamp: '2026-01-01T00:00:00Z', path, userAgent, ...extra });
}

function batchOf(...lines: readonly string[]): Batch {
  return [
    { stream: 'access', hour: 1, count: lines.length, lines: Buffer.from(lines.map((text) => `${text}\n`).join('')) },
  ];
}

function eventsOf(...messages: readonly string[]): Batch {
  const lines = messages.map(
    (message) => `{"timestamp":"2026-01-01T00:00:00Z","level":"INFO","message":"${message}"}\n`,
  );
  return [{ stream: 'events', hour: 1, count: lines.length, lines: Buffer.from(lines.join('')) }];
}

function create(options?: TailOptions, deliver: Deliver = async () => ({ durability: 'disk' })) {
  const tails = createTails(options);
  const tapped = tails.tap(deliver);
  const watch = (filter: TailFilter = {}) => {
    const pieces: TailPiece[] = [];
    const end = tails.tail(filter, (piece) => void pieces.push(piece));
    const lines = () => pieces.flatMap((piece) => piece.lines);
    const leftOut = () => pieces.reduce((sum, piece) => sum + piece.leftOut, 0);
    return { pieces, end, lines, leftOut };
  };
  const send = async (...lines: readonly string[]) => {
    await tapped(batchOf(...lines));
    vi.advanceTimersByTime(FLUSH_MS);
  };
  return { tails, tapped, watch, send };
}

describe('a tail of one stream', () => {
  test('sees the records of that stream, and a tail without one those of all', async () => {
    const { tapped, watch } = create();
    const [events, access, all] = [watch({ stream: 'events' }), watch({ stream: 'access' }), watch()];
    await tapped([...batchOf(line('/a')), ...eventsOf('hello')]);
    vi.advanceTimersByTime(FLUSH_MS);
    expect(events.lines().map((text) => JSON.parse(text).message)).toEqual(['hello']);
    expect(access.lines()).toEqual([line('/a')]);
    expect(all.lines()).toHaveLength(2);
  });

  test('has the whole limit for it, and hears nothing of what others leave out', async () => {
    const { tapped, watch } = create({ examinedBytes: 200 });
    const events = watch({ stream: 'events' });
    await tapped(batchOf(...Array.from({ length: 50 }, () => line('/flood'))));
    await tapped(eventsOf('one'));
    vi.advanceTimersByTime(FLUSH_MS);
    expect([events.lines().length, events.leftOut()]).toEqual([1, 0]);
  });

  test('counts what is left out by stream', async () => {
    const { tapped, watch } = create({ examinedBytes: 200 });
    const [events, access] = [watch({ stream: 'events' }), watch({ stream: 'access' })];
    await tapped(eventsOf('one'));
    await tapped([...batchOf(...Array.from({ length: 50 }, () => line('/flood'))), ...eventsOf('two', 'three')]);
    vi.advanceTimersByTime(FLUSH_MS);
    expect([events.lines().length, events.leftOut()]).toEqual([1, 2]);
    expect(access.lines().length + access.leftOut()).toBe(50);
  });
});

describe('a tail', () => {
  test('finds no field in a value that is no JSON, and goes on', async () => {
    const { watch, send } = create();
    const watched = [watch({ path: 'A' }), watch({ q: 'path=A' }), watch({ q: 'n=1' })];
    const broken = ['{"path":"\\x41","n":1}', '{"path":"A\\q","n":1x}'];
    await send(...broken, line('A', 'u', { n: 1.0 }));
    expect(watched.map(({ lines }) => lines().length)).toEqual([1, 1, 2]);
  });

  test('sees what is accepted from then on, until it ends', async () => {
    const { watch, send } = create();
    await send(line('/before'));
    const { lines, end } = watch();
    await send(line('/one'), line('/two'));
    await send(line('/three'));
    end();
    await send(line('/after'));
    expect(lines()).toEqual([line('/one'), line('/two'), line('/three')]);
  });

  test('sees nothing of a batch that was refused, or of one that was stored before', async () => {
    let answer: () => Promise<Receipt> = () => Promise.reject(new Error('disk full'));
    const { tapped, watch } = create({}, () => answer());
    const { pieces } = watch();
    await expect(tapped(batchOf(line('/lost')))).rejects.toThrow('disk full');
    answer = async () => ({ durability: 'disk', replay: '{}' });
    await tapped(batchOf(line('/again')));
    vi.advanceTimersByTime(FLUSH_MS);
    expect(pieces).toEqual([]);
  });

  test('sees the lines as they were delivered, even if their memory changes later', async () => {
    const { tapped, watch } = create({}, async (batch) => {
      for (const { lines } of batch) lines.fill(0);
      return { durability: 'disk' };
    });
    const { lines } = watch();
    await tapped(batchOf(line('/x')));
    vi.advanceTimersByTime(FLUSH_MS);
    expect(lines()).toEqual([line('/x')]);
  });

  test('costs a delivery nothing while there is no tail', async () => {
    const deliver = vi.fn<Deliver>(async () => ({ durability: 'disk' }));
    const { tapped, watch, tails } = create({}, deliver);
    const { end } = watch();
    end();
    tails.stop();
    const batch = batchOf(line('/'));
    const note = {};
    await tapped(batch, note);
    expect(deliver).toHaveBeenCalledWith(batch, note);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a filter', () => {
  const records = [
    line('/a/1', 'curl/8', { status: 200 }),
    line('/a/2', 'Googlebot', { status: 404, note: 'x=y' }),
    line('/b', 'Googlebot', { status: '404', tags: ['a'], __proto__x: 1 }),
    '{"timestamp":"2026-01-01T00:00:00Z","path":"/c","userAgent":"z","__proto__":"p","q\\"":"é"}',
  ];
  test.each<[TailFilter, readonly number[]]>([
    [{}, [0, 1, 2, 3]],
    [{ path: '/a' }, [0, 1]],
    [{ path: 'a', userAgent: 'bot' }, [1]],
    [{ userAgent: 'BOT' }, []],
    [{ q: 'status=404' }, [1, 2]],
    [{ q: 'note=x=y' }, [1]],
    [{ q: 'path=/b' }, [2]],
    [{ q: 'tags=a' }, []],
    [{ q: '__proto__=p' }, [3]],
    [{ q: 'constructor=x' }, []],
    [{ q: 'q"=é' }, [3]],
    [{ q: 'Googlebot' }, [1, 2]],
    [{ q: '=x' }, []],
    [{ path: '/b', q: 'status=404' }, [2]],
  ])('%j lets through %j', async (filter, expected) => {
    const { watch, send } = create();
    const { lines } = watch(filter);
    await send(...records);
    expect(lines()).toEqual(expected.map((index) => records[index]));
  });
});

describe('a limit', () => {
  test('on examined bytes leaves the rest out and counts it', async () => {
    const one = line('/1');
    const { watch, send, tapped } = create({ examinedBytes: 2 * (one.length + 1) + 5 });
    const { lines, leftOut } = watch();
    await tapped(batchOf(line('/1'), line('/2'), line('/3')));
    await send(line('/4'));
    expect(lines()).toEqual([line('/1'), line('/2')]);
    expect(leftOut()).toBe(2);
    await send(line('/5'));
    expect(lines().at(-1)).toBe(line('/5'));
    expect(leftOut()).toBe(2);
  });

  test('on sent bytes is shared among the tails', async () => {
    const { watch, send } = create({ sentBytes: 0 });
    const wide = watch();
    const narrow = watch({ path: '/0' });
    const lines = Array.from({ length: 200 }, (_, i) => line(`/${i}`));
    await send(...lines);
    const shown = wide.lines().length;
    expect(shown).toBeGreaterThan(10);
    expect(wide.lines().join('').length).toBeLessThanOrEqual(4 * 1024);
    expect(wide.leftOut()).toBe(200 - shown);
    expect(narrow.lines()).toEqual([line('/0')]);
  });

  test('does not hold back a single long record', async () => {
    const { watch, send } = create({ sentBytes: 0 });
    const { lines } = watch();
    const long = line(`/${'x'.repeat(10_000)}`);
    await send(long);
    expect(lines()).toEqual([long]);
  });
});
