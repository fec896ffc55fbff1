import { expect, it } from 'vitest';
import { MAX_STATE_BYTES } from './file-reading.ts';
import { ACCESS } from './open-reading.case.ts';
import { openReading } from './open-reading.ts';

it.each([1_000, 3_000, 60_000])('has a state of at most 64 KiB, with #Fields of %i bytes', (length) => {
  const reading = openReading(Buffer.from(''), ACCESS);
  const fields = `date time cs-uri-stem ${'"\u0001x '.repeat(length / 4)}`;
  const lines = ['#Software: Microsoft', '#Software: x', '#Fields: x-edge-location'].map(
    (directive) => `${directive}\n#Fields: ${fields}\n`,
  );
  for (let i = 0; i < 16; i++) {
    const stream = String.fromCharCode(1).repeat(30) + i;
    lines.push(`${JSON.stringify({ log: 'x'.repeat(9_000), stream, logtag: 'P', time: 't' })}\n`);
  }
  reading.convert(Buffer.from(lines.join('')), 1);
  const { state } = reading;
  expect(Buffer.byteLength(state)).toBeLessThanOrEqual(MAX_STATE_BYTES);
  expect(state.length).toBeGreaterThan(30_000);
});
