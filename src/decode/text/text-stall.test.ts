import { expect, test } from 'vitest';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import { EVENTS_STREAM } from '../../model/stream.ts';
import { createDecoders } from '../decoders.ts';

// Lines that are as long as a record may be, for the slow readers. Each step is measured in CPU time of this thread, and what counts of each
// is the fastest of its attempts, as in stall.test.ts.
const SIZE = 250_000;
const MOST_MS = 50;
const decoders = createDecoders(EVENTS_STREAM);
const HEADER = '<13>1 2025-07-02T17:00:00Z h a p m ';
const ENTRY = '{"__REALTIME_TIMESTAMP":"1751475600000000","MESSAGE":';

test.each([
  ['small members', fill('{', '"a":{},', '"b":1}'), 'missing timestamp'],
  ['small members and a message', fill('{"MESSAGE":1,', '"a":{},', '"b":1}'), 'missing timestamp'],
  ['an entry with many fields', `${ENTRY}"x"${names()}}`, 'accepted 2'],
  ['an entry with a list of bytes', fill(`${ENTRY}[`, '1,', '1]}'), 'exceeds 262144 bytes'],
  ['many parameters', fill(`${HEADER}[a`, ' b="c"', ']'), 'exceeds 262144 bytes'],
  ['many elements', fill(HEADER, '[a b="c"]', ''), 'exceeds 262144 bytes'],
  ['escapes in a parameter', fill(`${HEADER}[a b="`, '\\"', '"]'), 'exceeds 262144 bytes'],
  ['a parameter without its quote', fill(`${HEADER}[a b="`, 'x', ''), 'accepted 2'],
])('%s: no step takes long', (_, line, expected) => {
  let best: number[] = [];
  for (let attempt = 0; attempt < 15 && (attempt === 0 || Math.max(...best) >= MOST_MS); attempt++) {
    const { verdict, steps } = measure(`${line}\n`.repeat(2));
    expect(verdict).toBe(expected);
    best = steps.map((ms, i) => Math.min(ms, best[i] ?? ms));
  }
  expect(Math.max(...best)).toBeLessThan(MOST_MS);
});

function measure(text: string) {
  const decoding = decoders.text(Buffer.from(text), {
    ...DECODE_OPTIONS,
    invalid: 'skip',
    isBlock: true,
    text: { format: 'auto', zone: 'arrival', service: 'app', arrival: 0 },
  });
  const steps: number[] = [];
  for (;;) {
    const before = process.threadCpuUsage();
    const { done, value } = decoding.next();
    const { user, system } = process.threadCpuUsage(before);
    steps.push((user + system) / 1_000);
    if (done === true) return { verdict: value.rejections[0]?.reason ?? `accepted ${value.accepted}`, steps };
  }
}

function fill(start: string, unit: string, end: string): string {
  return start + unit.repeat(Math.floor((SIZE - start.length - end.length) / unit.length)) + end;
}

function names(): string {
  return Array.from({ length: SIZE / 14 }, (_, i) => `,"A${i}":"b"`).join('');
}
