import type { Cell } from './cells.ts';

/** What the processes of a run tell each other over Node's channel, and what they are started with, as JSON in their first argument. */

export interface ProducerInput extends Pick<Cell, 'transport' | 'size' | 'recordsPerSend' | 'connection'> {
  /** From 0. */
  readonly producer: number;
  /** `host:port` or a path. */
  readonly where: string;
  readonly ca: string | undefined;
  /** Records a second of this producer. Undefined: as fast as it goes. */
  readonly rate: number | undefined;
  /** Whether each record carries the time at which it is sent. */
  readonly isTimed: boolean;
  readonly durationMs: number;
  /** Not measured, at the beginning of the duration. */
  readonly warmUpMs: number;
  readonly maxRecords: number;
  /** Of process.hrtime.bigint(), in decimal. */
  readonly epochNs: string;
}

export type ToProducer = { readonly kind: 'go' };

export type FromProducer =
  | { readonly kind: 'connected' }
  | {
      readonly kind: 'sent';
      readonly records: number;
      /** After the warm-up: records, time, and CPU time of the process, user and system. */
      readonly measured: number;
      readonly seconds: number;
      readonly cpuSeconds: number;
    };

export interface ReceiverInput extends Pick<Cell, 'transport' | 'size'> {
  /** The configuration, as a YAML text; the environment names the folders. */
  readonly yaml: string;
  readonly isTimed: boolean;
  readonly warmUpMs: number;
  readonly epochNs: string;
}

export type ToReceiver = { readonly kind: 'begin' } | { readonly kind: 'finish'; readonly records: number };

export type FromReceiver =
  | { readonly kind: 'open'; readonly where: string }
  | ({ readonly kind: 'stored' } & Received)
  | ({ readonly kind: 'closed' } & Dropped);

/** What the input counted as dropped: datagrams by the kernel, frames by itself. */
export interface Dropped {
  readonly datagrams: number;
  readonly frames: number;
}

/** After the warm-up, up to the last commit. */
export interface Received {
  readonly measured: number;
  readonly seconds: number;
  /** User and system, all threads. */
  readonly cpuSeconds: number;
  /** From a record's sending to its commit; undefined where records carry no time. */
  readonly latencyMs: { readonly p50: number; readonly p99: number } | undefined;
  /** Peak memory, MB. */
  readonly peakMegabytes: number;
}

/** What this process was started with. */
export function readInput<T>(): T {
  return JSON.parse(process.argv[2] ?? '') as T;
}
