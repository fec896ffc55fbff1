import { setTimeout as pause } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { eventually } from '../../../test/support/storage.ts';
import { createNewlineFraming } from '../../decode/frames/newline-framing.ts';
import type { InputDrop, InputRefusal } from '../../metrics/metrics.ts';
import type { Block, UnreadFrame } from '../../service/service.ts';
import { Feed } from '../feed.ts';
import type { Input, InputFlow } from '../inputs.ts';
import type { ContractLimits, InputFixture, Sender } from './fixture.case.ts';

export interface Logged {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A flow as that of src/app, before an intake that keeps what it gets. */
export interface RecordingFlow {
  readonly flow: InputFlow;
  /** The lines that were delivered, in order. */
  readonly lines: string[];
  readonly unread: UnreadFrame[];
  readonly refused: InputRefusal[];
  readonly dropped: Map<InputDrop, number>;
  /** Of each change, the number of open connections. */
  readonly connections: number[];
  /** The most bytes that were in flight. */
  peak(): number;
  /** Delivers nothing until `release`. */
  hold(): void;
  release(): void;
}

export function createRecordingFlow(maxInFlightBytes: number, flushBytes = 64 * 1024): RecordingFlow {
  const lines: string[] = [];
  const unread: UnreadFrame[] = [];
  const refused: InputRefusal[] = [];
  const dropped = new Map<InputDrop, number>();
  const connections: number[] = [];
  let held: PromiseWithResolvers<void> | undefined;
  let peak = 0;

  async function intake(block: Block): Promise<void> {
    // The memory of a block is used again once this has resolved.
    const text = block.bytes.toString();
    await held?.promise;
    await block.after;
    lines.push(...text.split('\n').slice(0, -1));
    unread.push(...block.unread);
  }

  const feed = new Feed({
    intake,
    flushIntervalMs: 2,
    flushBytes,
    maxInFlightBytes,
    reusesMemory: true,
    onRoom: () => flow.onRoom(),
    onInFlight: (bytes) => {
      peak = Math.max(peak, bytes);
    },
    onGivenUp: () => undefined,
    clock: () => 0,
  });
  const flow: InputFlow = {
    take: (frames) => feed.push(frames),
    putAside: (frame) => feed.putAside(frame),
    flush: (withinMs) => within(withinMs, feed.flush()),
    onRoom: () => undefined,
    onConnections: (count) => connections.push(count),
    onRefused: (reason) => refused.push(reason),
    onDropped: (reason, frames) => dropped.set(reason, (dropped.get(reason) ?? 0) + frames),
  };
  return {
    flow,
    lines,
    unread,
    refused,
    dropped,
    connections,
    peak: () => peak,
    hold() {
      held ??= Promise.withResolvers();
    },
    release() {
      held?.resolve();
      held = undefined;
    },
  };
}

/** Rejects when the work is not done within so long, milliseconds. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  const done = new AbortController();
  const late = pause(Math.max(0, ms), undefined, { signal: done.signal }).then(() => {
    throw new Error('not delivered in time');
  });
  try {
    await Promise.race([work, late]);
  } finally {
    done.abort();
    late.catch(() => undefined);
  }
}

export interface SetupOptions {
  readonly where?: string;
  readonly maxFrameBytes?: number;
  readonly maxInFlightBytes?: number;
  readonly limits?: Partial<ContractLimits>;
}

export interface Setup extends RecordingFlow {
  readonly input: Input;
  readonly logged: readonly Logged[];
  /** Starts the input, and gives where it takes records. */
  start(): Promise<string>;
  /** Of a started input. */
  connect(): Promise<Sender>;
  /** Waits until so many lines are delivered. */
  awaitLines(count: number): Promise<void>;
}

/** An input of the fixture. Its senders and itself end with the test. */
export async function setUp(fixture: InputFixture, options: SetupOptions = {}): Promise<Setup> {
  const { where, maxFrameBytes = 64 * 1024, maxInFlightBytes = 256 * 1024, limits } = options;
  const recording = createRecordingFlow(maxInFlightBytes);
  const logged: Logged[] = [];
  const note = (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
    void logged.push({ message, fields });
  const { input, connect } = await fixture.create({
    name: 'contract',
    where,
    framing: createNewlineFraming({ maxFrameBytes }),
    maxFrameBytes,
    limits: { maxConnections: 100, idleTimeoutMs: undefined, maxUnfinishedBytes: 1024 * 1024, ...limits },
    flow: recording.flow,
    log: { info: note, warn: note, error: note },
  });
  let place: string | undefined;
  let isStarted = false;
  onTestFinished(async () => {
    recording.release();
    if (isStarted) await input.stop(200).catch(() => undefined);
  });
  return {
    ...recording,
    input,
    logged,
    async start() {
      place = await input.start();
      isStarted = true;
      return place;
    },
    async connect() {
      if (place === undefined) throw new Error('the input is not started');
      const sender = await connect(place);
      onTestFinished(() => sender.vanish());
      return sender;
    },
    awaitLines: (count) =>
      eventually(() => {
        if (recording.lines.length < count) throw new Error(`${recording.lines.length} of ${count} lines are there`);
      }),
  };
}

/** `count` lines of about 100 bytes. Each has what tells its sender from others, and its number. */
export function makeLines(count: number, sender = 's', from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `${sender} ${from + i} ${'x'.repeat(90)}`);
}

export function joinLines(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}
