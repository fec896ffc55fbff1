import { expect, it } from 'vitest';
import type { LineParcel } from '../../outputs/outputs.ts';
import { createLineDelivery } from './deliver-lines.ts';
import { createRecorder, sliceOf } from './slice-fixture.case.ts';

const about = { host: 'web-1', fileOf: () => '/var/log/real.log', clock: () => 0 };

it('the lines of a slice go to the store as they stand in the file, numbered from 0, the id as their generation', async () => {
  const sent: LineParcel[] = [];
  const seen = createRecorder();
  const send = async (parcel: LineParcel) => {
    sent.push(parcel);
    return { stored: 2, refused: [] };
  };
  const bytes = Buffer.from('a\r\n\n');
  await createLineDelivery({ ...about, ...seen, sender: { send } })(sliceOf([], { bytes, number: 8 }));
  expect(sent).toEqual([
    { host: 'web-1', file: '/var/log/real.log', generation: 'abcdefghijklmnop', number: 7, bytes },
  ]);
  expect(seen.outcomes).toMatchObject([{ stored: 2, refused: 0, bytes: 4 }]);
});

it('a line that the store refuses is put aside with its number in the file', async () => {
  const seen = createRecorder();
  const send = async () => ({ stored: 1, refused: [{ number: 7, reason: 'too long', bytes: Buffer.from('junk') }] });
  await createLineDelivery({ ...about, ...seen, sender: { send } })(sliceOf([]));
  expect(seen.letters).toEqual([
    { time: 0, stage: 'input', reason: 'too long', raw: 'junk', source: '/var/log/access.log:8' },
  ]);
  expect(seen.outcomes).toMatchObject([
    { stored: 1, refused: 1, refusals: [{ first: 8, last: 8, reason: 'too long' }] },
  ]);
});

it('a slice that the store does not take at all rejects', async () => {
  const seen = createRecorder();
  const send = () => Promise.reject(new Error('gave up'));
  await expect(createLineDelivery({ ...about, ...seen, sender: { send } })(sliceOf([]))).rejects.toThrow('gave up');
  expect([seen.letters, seen.outcomes]).toEqual([[], []]);
});
