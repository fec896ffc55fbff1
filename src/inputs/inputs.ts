import type { InputDrop, InputRefusal } from '../metrics/metrics.ts';
import type { UnreadFrame } from '../service/service.ts';

/**
 * A way for records to come in, beside HTTP. A sender that can only open a socket, write into a pipe or send datagrams gets the guarantees
 * of HTTP as far as its transport can carry them: what it sends is stored in its order, invalid records become dead letters, and when the
 * store cannot keep up the sender waits. What a transport loses is counted.
 */
export interface Input {
  /** Unique among the inputs of the configuration. */
  readonly name: string;
  /** Resolves with the address or the path where it takes records. Rejects, with what to do, when it cannot. Called once. */
  start(): Promise<string>;
  /** Takes nothing new. Resolves when what was read is delivered; rejects when that takes longer than `graceMs`, and the rest is given up. */
  stop(graceMs: number): Promise<void>;
  /** For /ready: rejects with the reason when no records can come in. */
  check(): Promise<void>;
  /** For /ready, when the check passes: what a reader should know. */
  detail?(): string;
  /** Resolves when nothing more can come, as after the end of standard input. Absent: there is always more. */
  readonly ended?: Promise<void>;
  /** Counts what only the kernel knows, such as the datagrams that it dropped. Called before the metrics are read. */
  refresh?(): Promise<void>;
}

/** What an input does when `maxInFlightBytes` are in flight. */
export type WhenFull = 'wait' | 'drop' | { readonly sampleOneIn: number };

/** The way of what an input reads, from whole frames to the store, with its counts. */
export interface InputFlow {
  /** Takes whole frames: memory that may be used again after the call. False: the sender should wait for `onRoom`. */
  take(frames: Buffer): boolean;
  /** Takes what could not be read, as `take` takes frames. */
  putAside(frame: UnreadFrame): boolean;
  /**
   * Resolves when all that was taken is delivered. What is not within so many milliseconds is given up, and counted as dropped (`stop`): then
   * it rejects.
   */
  flush(withinMs: number): Promise<void>;
  /** Set by the input: told when there is room again. */
  onRoom: () => void;
  onConnections(count: number): void;
  onRefused(reason: InputRefusal): void;
  onDropped(reason: InputDrop, frames: number): void;
}
