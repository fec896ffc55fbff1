import { type Hour, MIN_HOUR } from './hour.ts';
import type { StreamName } from './stream.ts';

/**
 * The first hour of each stream that takes records, known in every thread: retention removed those before it for ever. One thread sets it.
 * A thread that reads it a moment too early is corrected when the batch is stored.
 */
export class FirstHours {
  /** To be given to other threads, with the same streams. */
  readonly memory: SharedArrayBuffer;
  readonly #hours: Int32Array;
  readonly #places: ReadonlyMap<StreamName, number>;

  constructor(streams: Iterable<StreamName>, memory?: SharedArrayBuffer) {
    this.#places = new Map(Array.from(streams, (stream, place) => [stream, place]));
    this.memory = memory ?? new SharedArrayBuffer(this.#places.size * Int32Array.BYTES_PER_ELEMENT);
    this.#hours = new Int32Array(this.memory);
    if (memory === undefined) this.#hours.fill(MIN_HOUR);
  }

  /** MIN_HOUR for a stream that is not among them. */
  readonly of = (stream: StreamName): Hour => {
    const place = this.#places.get(stream);
    return place === undefined ? MIN_HOUR : Atomics.load(this.#hours, place);
  };

  /** Has no effect for a stream that is not among them. */
  set(stream: StreamName, hour: Hour): void {
    const place = this.#places.get(stream);
    if (place !== undefined) Atomics.store(this.#hours, place, hour);
  }
}
