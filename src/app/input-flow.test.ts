import { expect, it } from 'vitest';
import { createTestLog } from '../../test/support/queues.ts';
import { loadConfig } from '../config/config.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { BUILTIN_SCHEMAS } from '../model/builtin-schemas.ts';
import type { Batch } from '../model/chunk.ts';
import { type CommitNote, type Deliver, UnavailableError } from '../model/deliver.ts';
import { FirstHours } from '../model/first-hours.ts';
import { createAccounting } from '../service/accounting.ts';
import { createKindTally } from '../service/kind-tally.ts';
import { withBatchId } from '../service/retry.ts';
import { takesFrames } from './input-config.ts';
import { createInputFlow } from './input-flow.ts';

/** The flow of the only input of a configuration, into a next stage that has no answer to the first calls. */
function setUp(input: string, { version = 1, failures = 0 } = {}) {
  const metrics = createMetrics({ defaultMetrics: false });
  const { config } = loadConfig({ text: `version: ${version}\ninputs:\n  - ${input}\n` });
  const taken: { readonly text: string; readonly note: CommitNote | undefined }[] = [];
  let left = failures;
  const deliver: Deliver = async (batch: Batch, note) => {
    taken.push({ text: batch.map(({ lines }) => lines.toString()).join(''), note });
    if (left-- > 0) throw new UnavailableError('the answer was lost', 1);
    return { durability: 'disk' };
  };
  const [only] = config.inputs;
  if (only === undefined || !takesFrames(only)) throw new Error('the configuration has no input');
  const accounting = createAccounting(metrics);
  // As the pipeline of version 2 names the batches of HTTP.
  const pipeline = version === 2 ? withBatchId(deliver, () => 'pipeline') : deliver;
  const firstHours = new FirstHours(['access', 'events']);
  const parts = { config, schemas: BUILTIN_SCHEMAS, firstHours, deliver: pipeline, metrics, log: createTestLog() };
  const tally = createKindTally({ metrics, clock: Date.now });
  const flow = createInputFlow(parts, only, { form: 'lines' }, { accounting, tally });
  return { flow, taken, accounting };
}

const EVENT = '{"timestamp":"2025-09-12T12:26:40Z","level":"INFO","message":"m","service":"s"}\n';

it('a block that is delivered again keeps its batch id, so that a queue which took it stores it once', async () => {
  const { flow, taken } = setUp('{name: in, addr: ":0"}', { version: 2, failures: 2 });
  flow.take(Buffer.from(EVENT));
  await flow.flush(5_000);
  flow.take(Buffer.from(EVENT));
  await flow.flush(5_000);
  const [first, second, third, next] = taken.map(({ note }) => note?.batchIds);
  expect(taken).toHaveLength(4);
  expect(first).toEqual([expect.stringMatching(/^[0-9a-f-]{36}:0$/)]);
  expect([second, third]).toEqual([first, first]);
  expect(next).toEqual([first?.[0]?.replace(/0$/, '1')]);
});

it('a store gets no batch ids', async () => {
  const { flow, taken } = setUp('{name: in, addr: ":0"}');
  flow.take(Buffer.from(EVENT));
  await flow.flush(5_000);
  expect(taken).toEqual([{ text: EVENT, note: {} }]);
});

it('a record of an older program is mapped as its input says', async () => {
  const { flow, taken } = setUp('{name: in, addr: ":0", timestamps: auto, rename: {source: service}}');
  flow.take(Buffer.from('{"source":"producer","timestamp":1757680000,"level":"INFO","message":"ABC"}\n'));
  await flow.flush(5_000);
  expect(taken.map(({ text }) => text)).toEqual([
    '{"timestamp":"2025-09-12T12:26:40Z","level":"INFO","message":"ABC","service":"producer"}\n',
  ]);
});

it('text that names no service and no time has those of its input and its arrival', async () => {
  const { flow, taken } = setUp('{name: door, addr: ":0", format: auto}');
  flow.take(Buffer.from('a bell rang\n'));
  await flow.flush(5_000);
  expect(JSON.parse(taken[0]?.text ?? '')).toMatchObject({
    level: 'INFO',
    message: 'a bell rang',
    service: 'door',
    timestampSource: 'arrival',
  });
});

it('a block of blank lines delivers nothing', async () => {
  const { flow, taken, accounting } = setUp('{name: in, addr: ":0"}');
  flow.take(Buffer.from('\n \n'));
  await flow.flush(5_000);
  expect(taken).toEqual([]);
  expect(accounting.unaccounted()).toBe(0);
});
