import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createDecoders } from '../../src/decode/decoders.ts';
import { encodeDeadLetter } from '../../src/lines/dead-letter.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import type { Batch } from '../../src/model/chunk.ts';
import type { CommitNote } from '../../src/model/deliver.ts';
import { hourToIso, MIN_HOUR } from '../../src/model/hour.ts';
import { ACCESS_STREAM } from '../../src/model/stream.ts';
import { encodeSend } from '../../src/queue/kafka/message.ts';
import { createReceiver } from '../../src/queue/kafka/receiver.ts';
import { createAccounting } from '../../src/service/accounting.ts';
import { createConsumer } from '../../src/service/consume.ts';
import { DECODE_OPTIONS } from '../support/decode-options.ts';
import { createTestLog } from '../support/queues.ts';
import { anyStrangeRecords, batchOfLines, type StrangeRecord } from '../support/strange-records.ts';

const decoders = createDecoders(ACCESS_STREAM);

/* Whatever stands in the topic: the partition goes on, the files stay clean, and honest batches around it are stored. */

const never = new AbortController().signal;

/** What reads a partition, over a store that keeps what it is given. */
async function openPartition() {
  const { records, streamRecords } = createMetrics({ defaultMetrics: false });
  const accounting = createAccounting({ records, streamRecords });
  const stored: { batch: Batch; note: CommitNote }[] = [];
  const consumer = createConsumer({
    stream: 'access',
    firstHour: () => MIN_HOUR,
    repo: {
      append: async (batch, note = {}) => {
        stored.push({ batch, note });
        return { durability: 'disk' };
      },
      offsets: () => [],
      hasBatchId: () => false,
      idempotency: { find: () => undefined, now: Date.now, size: () => 0, oldest: () => undefined, bytes: () => 0 },
    },
    decoders,
    decode: { ...DECODE_OPTIONS, maxRecordBytes: 2_000_000 },
    backoff: { firstMs: 1, maxMs: 1 },
    accounting,
    metrics: createMetrics({ defaultMetrics: false }),
    log: createTestLog(),
    clock: () => 1_700_000_000_000,
    onFatal: () => undefined,
  });
  const state = { topic: 'logs', partition: 0, committed: undefined, low: 0n, high: 0n };
  const assignment = await consumer.assign(state);
  const flush = { bytes: 1, intervalMs: 0 };
  const receiver = createReceiver({ stream: 'access', topic: 'logs', partition: 0, assignment, flush, now: () => 0 });
  return { receiver, stored, accounting };
}

function honest(id: string): readonly StrangeRecord[] {
  return encodeSend([batchOfLines(id, [397_186, 397_187])], { format: 'ndjson', targetBytes: 1_000 });
}

function faultsOf(batch: Batch): string[] {
  return batch.flatMap(({ hour, count, lines }) => {
    const texts = lines.toString('utf8').split('\n');
    const head = `{"timestamp":"${hourToIso(hour).slice(0, 14)}`;
    const wrong = texts.slice(0, -1).filter((text) => !text.startsWith(head) || !text.endsWith('}'));
    if (texts.at(-1) !== '' || texts.length - 1 !== count) wrong.push(`${count} lines in ${texts.length}`);
    return wrong;
  });
}

const LETTER_KEYS = [
  ['time', 'stage', 'reason', 'raw', 'source'],
  ['time', 'stage', 'reason', 'record', 'source'],
];

/** Every dead letter is one line, with the fields of the contract and no others. */
function checkLetters(note: CommitNote): void {
  for (const letter of note.deadLetters ?? []) {
    const line = encodeDeadLetter(letter).toString();
    expect(line.indexOf('\n')).toBe(line.length - 1);
    const value = JSON.parse(line) as { readonly time: string; readonly stage: string };
    expect(LETTER_KEYS).toContainEqual(Object.keys(value));
    expect(['ingest', 'consume']).toContain(value.stage);
    expect(value.time).toMatch(/^\d{4}-/);
  }
}

it('goes on, stores only stored lines and whole dead letters, and loses no honest batch, whatever a message holds', async () => {
  await fc.assert(
    fc.asyncProperty(anyStrangeRecords(), async (strange) => {
      const { receiver, stored, accounting } = await openPartition();
      const records = [...honest('before:1'), ...strange, ...honest('after:1')].map((record, index) => {
        return { ...record, offset: BigInt(index), timestamp: 5 };
      });
      const next = BigInt(records.length);
      expect(await receiver.receive({ records, next, hasMore: false }, never)).toBe(next);
      expect(stored).toHaveLength(1);
      for (const { batch, note } of stored) {
        expect(faultsOf(batch)).toEqual([]);
        checkLetters(note);
        expect(note.offsets).toEqual([{ topic: 'logs', partition: 0, next: String(next) }]);
        const text = batch.map(({ lines }) => lines.toString()).join('');
        for (const id of ['before:1', 'after:1']) {
          expect(note.batchIds).toContain(id);
          expect(text.split(`"/${id}/`)).toHaveLength(1 + 4);
        }
      }
      expect(accounting.unaccounted()).toBe(0);
      expect(accounting.inFlightRecords()).toBe(0);
    }),
    { numRuns: 400 },
  );
});
