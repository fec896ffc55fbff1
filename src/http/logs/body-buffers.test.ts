import { describe, expect, test } from 'vitest';
import { createBodyBuffers } from './body-buffers.ts';

const KIB = 1024;

describe('createBodyBuffers', () => {
  test('reuses memory that was given back, for any size of its class', () => {
    const buffers = createBodyBuffers();
    const first = buffers.take(100 * KIB);
    expect(first.length).toBe(100 * KIB);
    buffers.give(first);
    const second = buffers.take(70 * KIB);
    expect(second.buffer).toBe(first.buffer);
    expect(second.length).toBe(70 * KIB);
  });

  test('never hands out the same memory twice at once, even when it was given back twice', () => {
    const buffers = createBodyBuffers();
    const first = buffers.take(10 * KIB);
    buffers.give(first);
    buffers.give(first);
    expect(buffers.take(10 * KIB).buffer).not.toBe(buffers.take(10 * KIB).buffer);
  });

  test('ignores memory that it did not hand out', () => {
    const buffers = createBodyBuffers();
    const foreign = Buffer.allocUnsafeSlow(16 * KIB);
    buffers.give(foreign);
    expect(buffers.take(16 * KIB).buffer).not.toBe(foreign.buffer);
  });

  test('ignores memory that went to another thread', () => {
    const buffers = createBodyBuffers();
    const sent = buffers.take(16 * KIB);
    structuredClone(sent.buffer, { transfer: [sent.buffer as ArrayBuffer] });
    buffers.give(sent);
    expect(buffers.take(16 * KIB).length).toBe(16 * KIB);
  });

  test('adopts memory that came back from another thread, if it has a size that it hands out', () => {
    const buffers = createBodyBuffers();
    const back = new ArrayBuffer(16 * KIB);
    for (const memory of [back, new ArrayBuffer(16 * KIB + 1), new ArrayBuffer(2 * KIB), new ArrayBuffer(0)]) {
      buffers.adopt(memory);
    }
    expect(buffers.take(10 * KIB).buffer).toBe(back);
    expect(buffers.take(16 * KIB).buffer.byteLength).toBe(16 * KIB);
    expect(buffers.take(20 * KIB).buffer.byteLength).toBe(32 * KIB);
  });

  test.each([0, 1, 4095, 4096, 4097, 65_536, 65_537, 4 << 20, (4 << 20) + 1])('hands out exactly %d bytes', (bytes) => {
    expect(createBodyBuffers().take(bytes).length).toBe(bytes);
  });

  test('keeps at most 32 MiB of free memory', () => {
    const buffers = createBodyBuffers();
    const taken = Array.from({ length: 12 }, () => buffers.take(4 << 20));
    for (const buffer of taken) buffers.give(buffer);
    const known = new Set(taken.map(({ buffer }) => buffer));
    const again = Array.from({ length: 12 }, () => buffers.take(4 << 20));
    expect(again.filter(({ buffer }) => known.has(buffer))).toHaveLength(8);
  });
});
