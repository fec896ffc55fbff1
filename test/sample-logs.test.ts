import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Decoded, TextFormat } from '../src/decode/decode.ts';
import { createDecoders } from '../src/decode/decoders.ts';
import { hourToIso } from '../src/model/hour.ts';
import { ACCESS_STREAM } from '../src/model/stream.ts';
import { DECODE_OPTIONS } from './support/decode-options.ts';

const decoders = createDecoders(ACCESS_STREAM);

function decodeSample(format: TextFormat): Decoded {
  const body = readFileSync(new URL(`../testdata/sample_logs.${format}`, import.meta.url));
  const steps = decoders[format](body, DECODE_OPTIONS);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The three fields of every line, and the hours. */
function summarise({ batch }: Decoded) {
  return batch.map(({ hour, lines }) => ({
    hour: hourToIso(hour),
    records: lines
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => {
        const { timestamp, path, userAgent } = JSON.parse(line);
        return { timestamp, path, userAgent };
      }),
  }));
}

test.each(['json', 'csv'] as const)('sample_logs.%s holds ten good records of three hours', (format) => {
  const decoded = decodeSample(format);
  expect([decoded.accepted, decoded.rejected]).toEqual([10, 0]);
  expect(decoded.batch.map(({ hour, count }) => [hourToIso(hour), count])).toEqual([
    ['2025-11-22T15:00:00Z', 5],
    ['2025-11-22T16:00:00Z', 4],
    ['2025-11-21T23:00:00Z', 1],
  ]);
});

test('the two samples hold the same records', () => {
  expect(summarise(decodeSample('csv'))).toEqual(summarise(decodeSample('json')));
});
