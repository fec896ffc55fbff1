import { expect, it } from 'vitest';
import { CollectCounts } from '../../live/collect-stats.ts';
import type { LineOutput } from '../../outputs/line-output.ts';
import { sliceOf } from '../files/slice-fixture.case.ts';
import { createCollectReadings } from './collect-reading.ts';
import { CollectReport } from './collect-report.ts';
import { createOutputDelivery } from './deliver-output.ts';

const LINE = '{"timestamp":"2026-01-02T03:04:05Z","level":"INFO","message":"m","service":"s"}\n';
const UNREADABLE = [{ number: 1, reason: 'no time', bytes: Buffer.from('x') }];

it('counts what it writes once, unreadable lines alone too, when an earlier run has written it', async () => {
  const counts = new CollectCounts(() => 0);
  const open = () => {
    throw new Error('nothing is read');
  };
  const now = () => 0;
  const tag = (lines: Buffer) => ({ lines, levels: new Map(), tags: new Map() });
  const report = new CollectReport({
    counts,
    readings: createCollectReadings(open, { tag, now }),
    now,
    notify: () => undefined,
  });
  const outcomes: Awaited<ReturnType<LineOutput['write']>>[] = ['written', 'known', 'known'];
  const output = { write: async () => outcomes.shift() ?? 'written' };
  const deliver = createOutputDelivery({ output, report, clock: () => 0 });

  const slice = sliceOf([LINE], { converted: { unreadable: UNREADABLE } });
  await deliver(slice);
  await deliver(slice);
  await deliver(sliceOf([], { converted: { unreadable: UNREADABLE } }));
  expect(counts.totals()).toMatchObject({ total: 1, parsing_errors: 1 });
});
