import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LineWriter } from './standard-error.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const withCode = (code: string) => Object.assign(new Error(code), { code });

/** A reader that takes so many bytes, then none until there is room again. */
function createFixture(room: number, maxBytes = 100) {
  const reader = { room, text: '', gone: false };
  const counts = { dropped: 0 };
  const caughtUp: number[] = [];
  const writer = new LineWriter({
    writeSome: (bytes) => {
      if (reader.gone) throw withCode('EPIPE');
      const taken = Math.min(reader.room, bytes.length);
      if (taken === 0) throw withCode('EAGAIN');
      reader.room -= taken;
      reader.text += Buffer.from(bytes.subarray(0, taken)).toString();
      return taken;
    },
    onDropped: () => counts.dropped++,
    onCaughtUp: (lines) => {
      caughtUp.push(lines);
      writer.write(`${lines} dropped\n`);
    },
    maxBytes,
  });
  return { writer, reader, counts, caughtUp };
}

const LINE = 'nine more\n';

describe('LineWriter', () => {
  test('has written a line when it returns', () => {
    const { writer, reader } = createFixture(1_000);
    writer.write('a\n');
    writer.write('ä\n');
    expect(reader.text).toBe('a\nä\n');
    expect(vi.getTimerCount()).toBe(0);
  });

  test('keeps lines for a reader that stopped, in their order, and cuts none', () => {
    const { writer, reader } = createFixture(3);
    for (const line of ['first\n', 'second\n', 'third\n']) writer.write(line);
    expect(reader.text).toBe('fir');
    reader.room = 5;
    vi.advanceTimersByTime(60);
    expect(reader.text).toBe('first\nse');
    reader.room = 1_000;
    vi.advanceTimersByTime(60);
    writer.write('fourth\n');
    expect(reader.text).toBe('first\nsecond\nthird\nfourth\n');
    expect(vi.getTimerCount()).toBe(0);
  });

  test('drops lines beyond its memory, and tells their number once when the reader reads again', () => {
    const { writer, reader, counts, caughtUp } = createFixture(0);
    for (let i = 0; i < 25; i++) writer.write(LINE);
    expect(counts.dropped).toBe(15);
    vi.advanceTimersByTime(1_000);
    expect(caughtUp).toEqual([]);
    reader.room = 55;
    vi.advanceTimersByTime(60);
    expect(caughtUp).toEqual([]);
    reader.room = 1_000;
    vi.advanceTimersByTime(60);
    expect(caughtUp).toEqual([15]);
    expect(reader.text).toBe(`${LINE.repeat(10)}15 dropped\n`);
    reader.room = 0;
    writer.write(LINE);
    reader.room = 1_000;
    vi.advanceTimersByTime(60);
    expect(caughtUp).toEqual([15]);
  });

  test('keeps an urgent line when its memory is full', () => {
    const { writer, reader, counts } = createFixture(0);
    for (let i = 0; i < 11; i++) writer.write(LINE);
    writer.writeUrgent('the end\n');
    expect(counts.dropped).toBe(1);
    reader.room = 1_000;
    expect(writer.flush()).toBe(true);
    expect(reader.text).toBe(`${LINE.repeat(10)}the end\n`);
  });

  test('drops lines when the reader is gone, those that waited too', () => {
    const { writer, reader, counts } = createFixture(0);
    writer.write(LINE);
    reader.gone = true;
    expect(writer.flush()).toBe(true);
    writer.write(LINE);
    expect(counts.dropped).toBe(2);
    expect(writer.flush()).toBe(true);
  });
});
