import { describe, expect, it } from 'vitest';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import { createDecoders } from '../../decode/decoders.ts';
import type { Slice } from '../../inputs/files/files.ts';
import { createMetrics } from '../../metrics/metrics.ts';
import type { DeadLetter, Deliver, Position } from '../../model/deliver.ts';
import { ACCESS_STREAM } from '../../model/stream.ts';
import { createAccounting } from '../../service/accounting.ts';
import { createIngest } from '../../service/ingest.ts';
import { createKindTally } from '../../service/kind-tally.ts';
import { createLocalDelivery } from './local-delivery.ts';

const line = (hour: number, path: string) =>
  `{"timestamp":"2025-11-${String(1 + Math.floor(hour / 24)).padStart(2, '0')}T${String(hour % 24).padStart(2, '0')}:00:00Z","path":"${path}","userAgent":"-"}\n`;

function sliceOf(from: number, to: number, lines: readonly string[], unreadable: readonly string[] = []): Slice {
  return {
    name: 'access.log',
    id: 'f1',
    from,
    to,
    number: 1,
    bytes: Buffer.alloc(to - from),
    converted: {
      body: Buffer.from(lines.join('')),
      records: lines.length,
      frames: lines.length,
      unreadable: unreadable.map((text, i) => ({ number: i + 1, reason: 'not a line', bytes: Buffer.from(text) })),
    },
    position: { offset: to, number: 0, state: '' },
  };
}

/** A store that fails at the commit of that number, and the delivery into it. `stored` and `positions` live on, as the disk does. */
function setUp({ maxHours = 1_000 } = {}) {
  const stored: string[] = [];
  const letters: DeadLetter[] = [];
  const positions = new Map<string, string>();
  let failAt = Number.POSITIVE_INFINITY;
  let commits = 0;
  const deliver: Deliver = async (batch, note) => {
    await new Promise((resolve) => setImmediate(resolve));
    if (++commits >= failAt) throw new Error('killed');
    stored.push(...batch.flatMap(({ lines }) => lines.toString().split('\n').slice(0, -1)));
    letters.push(...(note?.deadLetters ?? []));
    for (const { source, next } of note?.positions ?? ([] as readonly Position[])) positions.set(source, next);
    return { durability: 'disk' };
  };
  const metrics = createMetrics({ defaultMetrics: false });
  const decoders = createDecoders(ACCESS_STREAM);
  const open = () =>
    createLocalDelivery({
      ingest: createIngest({
        decodersOf: () => decoders,
        decode: { ...DECODE_OPTIONS, maxHours, isBlock: true },
        deliver,
        delivered: 'stored',
        accounting: createAccounting(metrics),
        tally: createKindTally({ metrics, clock: () => 0 }),
        metrics,
        clock: () => 0,
      }),
      stream: 'access',
      source: 'input:web',
      map: undefined,
      positionOf: (source) => positions.get(source),
      remember: 'position',
      onRecords: () => undefined,
    });
  const killAt = (commit: number) => {
    failAt = commits + commit;
  };
  return { open, stored, letters, positions, killAt };
}

const paths = (stored: readonly string[]) => stored.map((text) => (JSON.parse(text) as { path: string }).path);

describe('slices into the own store', () => {
  it('are stored in their order, with their position and with what could not be read', async () => {
    const { open, stored, letters, positions } = setUp();
    const deliver = open();
    await Promise.all([
      deliver(sliceOf(0, 10, [line(0, '/a'), line(1, '/b')], ['garbage'])),
      deliver(sliceOf(10, 20, [line(0, '/c')])),
      deliver(sliceOf(20, 30, [], ['rubbish'])),
    ]);
    expect(paths(stored)).toEqual(['/a', '/b', '/c']);
    expect(letters.map(({ raw, reason }) => [raw, reason])).toEqual([
      ['garbage', 'line 1: not a line'],
      ['rubbish', 'line 1: not a line'],
    ]);
    expect(positions.get('file:f1')).toBe('30');
  });

  it('are not stored again when they come again', async () => {
    const { open, stored } = setUp();
    await open()(sliceOf(0, 10, [line(0, '/a')]));
    const again = open();
    await again(sliceOf(0, 10, [line(0, '/a')]));
    await again(sliceOf(10, 20, [line(0, '/b')]));
    expect(paths(stored)).toEqual(['/a', '/b']);
  });

  it('are not stored behind one that failed', async () => {
    const { open, stored, killAt } = setUp();
    killAt(2);
    const deliver = open();
    const slices = [0, 10, 20].map((from) => sliceOf(from, from + 10, [line(0, `/${from}`)]));
    const outcomes = await Promise.allSettled(slices.map(deliver));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(paths(stored)).toEqual(['/0']);
    killAt(Number.POSITIVE_INFINITY);
    for (const slice of slices) await open()(slice);
    expect(paths(stored)).toEqual(['/0', '/10', '/20']);
  });

  it('of too many hours are stored in parts, each once, wherever a kill comes', async () => {
    const lines = Array.from({ length: 20 }, (_, i) => line(i * 3, `/${i}`));
    for (let kill = 1; kill < 12; kill++) {
      const { open, stored, killAt } = setUp({ maxHours: 3 });
      killAt(kill);
      await open()(sliceOf(0, 10, lines, ['garbage'])).catch(() => undefined);
      killAt(Number.POSITIVE_INFINITY);
      await open()(sliceOf(0, 10, lines, ['garbage']));
      expect(paths(stored)).toEqual(lines.map((_, i) => `/${i}`));
    }
  });
});
