import { randomUUID } from 'node:crypto';
import type { Config } from '../config/config.ts';
import type { BlockFraming } from '../decode/decode.ts';
import { Feed } from '../inputs/feed.ts';
import { createAsideGate, createGate } from '../inputs/gate.ts';
import type { InputFlow } from '../inputs/inputs.ts';
import { type BlockForm, countFrames, framesOf } from '../lines/block-form.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { systemClock } from '../model/clock.ts';
import type { Deliver } from '../model/deliver.ts';
import type { FirstHours } from '../model/first-hours.ts';
import type { Schemas } from '../model/schema.ts';
import type { Accounting } from '../service/accounting.ts';
import { createIngest } from '../service/ingest.ts';
import { createIntake, type Patience, untilAvailable } from '../service/intake.ts';
import type { KindTally } from '../service/kind-tally.ts';
import { withBatchId } from '../service/retry.ts';
import type { InputConfig } from './input-config.ts';
import { inputDecoding } from './input-decoding.ts';
import { createDecodersOf, decodeLimits, maxFutureOf } from './streams.ts';

export interface FlowParts {
  readonly config: Config;
  readonly schemas: Schemas;
  readonly firstHours: FirstHours;
  readonly deliver: Deliver;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** What all inputs count in. */
export interface FlowCounts {
  readonly accounting: Accounting;
  readonly tally: KindTally;
}

/** Pause before a block is handed over again, ms. */
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;

/** The flow of one input. `framing`: how its frames stand in a block. */
export function createInputFlow(
  parts: FlowParts,
  input: InputConfig,
  framing: Pick<BlockFraming, 'form'>,
  counts: FlowCounts,
): InputFlow {
  const { metrics, log } = parts;
  const { name, maxInFlightBytes, flushInterval, flushBytes, whenFull } = input;
  const { form } = framing;
  const inFlight = metrics.inputInFlightBytes.labels(name);
  inFlight.set(0);
  const over = new AbortController();
  let givenUp = 0;
  metrics.inputMaxInFlightBytes.labels(name).set(maxInFlightBytes);
  const feed = new Feed({
    intake: createInputIntake(parts, input, { form, counts, signal: over.signal }),
    flushIntervalMs: flushInterval,
    flushBytes,
    maxInFlightBytes,
    reusesMemory: reusesMemory(parts),
    onRoom: () => flow.onRoom(),
    onInFlight: (bytes) => inFlight.set(bytes),
    onGivenUp({ bytes, unread }, err) {
      const frames = countFrames(form, bytes) + unread.length;
      givenUp += frames;
      flow.onDropped(over.signal.aborted ? 'stop' : 'error', frames);
      log.error('records of an input are given up', { input: name, frames, err });
    },
    clock: systemClock,
  });
  const takeOrDrop = createGate({
    feed,
    framesOf: (frames) => framesOf(form, frames),
    whenFull,
    onDropped: (frames) => flow.onDropped('full', frames),
  });
  const bytes = metrics.inputBytes.labels(name);
  const connections = metrics.inputConnections.labels(name);
  connections.set(0);
  const flow: InputFlow = {
    take(frames) {
      bytes.inc(frames.length);
      return takeOrDrop(frames);
    },
    putAside: createAsideGate({ feed, whenFull, onDropped: (frames) => flow.onDropped('full', frames) }),
    async flush(withinMs) {
      const timer = setTimeout(() => over.abort(new Error('the time of the stop is over')), Math.max(0, withinMs));
      await feed.flush();
      clearTimeout(timer);
      if (givenUp > 0) throw new Error(`${givenUp} records of the input ${name} could not be stored in time`);
    },
    onRoom: () => undefined,
    onConnections: (count) => connections.set(count),
    onRefused: (reason) => metrics.inputRefused.labels(name, reason).inc(),
    onDropped: (reason, frames) => metrics.inputDropped.labels(name, reason).inc(frames),
  };
  return flow;
}

function createInputIntake(
  parts: FlowParts,
  input: InputConfig,
  {
    form,
    counts: { accounting, tally },
    signal,
  }: { readonly form: BlockForm; readonly counts: FlowCounts; readonly signal: AbortSignal },
) {
  const { name, stream } = input;
  const { format, options } = inputDecoding(input, form);
  const { config, schemas, firstHours, metrics } = parts;
  const patience = createPatience(parts, name, signal);
  const again: Deliver = (batch, note) => untilAvailable(() => parts.deliver(batch, note), patience);
  // A queue may have taken a batch whose answer was lost: sent again by its name, it is stored once. A store that fails has stored nothing.
  const isQueued = config.pipeline !== 'direct';
  const deliver = isQueued ? withBatchId(again, () => randomUUID()) : again;
  const ingest = createIngest({
    decodersOf: createDecodersOf(config, schemas),
    maxFutureMs: maxFutureOf(config),
    firstHour: firstHours.of,
    decode: { ...decodeLimits(config), invalid: 'skip', ...options },
    deliver,
    delivered: isQueued ? 'handed_over' : 'stored',
    accounting,
    tally,
    metrics,
    clock: systemClock,
  });
  return createIntake({
    ingest,
    stream,
    format,
    source: `input:${name}`,
    form,
    deliver,
    account: accounting.of(stream),
    reusesMemory: reusesMemory(parts),
    patience,
    onRecords: (count) => metrics.inputRecords.labels(name).inc(count),
    clock: systemClock,
  });
}

/** A send to a queue that was given up, or whose batch went to the spool instead, may still read the batch. */
function reusesMemory({ config }: FlowParts): boolean {
  return config.pipeline === 'direct';
}

export function createPatience({ metrics, log }: FlowParts, input: string, signal: AbortSignal): Patience {
  return {
    firstMs: FIRST_PAUSE_MS,
    maxMs: MAX_PAUSE_MS,
    signal,
    onRetry(err) {
      metrics.inputRetries.labels(input).inc();
      log.warn('the records of an input wait: what stores or checks them is unavailable', { input, err, fold: input });
    },
  };
}
