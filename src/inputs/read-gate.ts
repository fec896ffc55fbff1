/** What can be told to read no further for a while. */
export interface Pausable {
  pause(): void;
  resume(): void;
}

/**
 * Bytes that connections may bring while the gate is closed. Those that were quiet are not paused with the others: with thousands of them that
 * would cost more than what they bring. Together they bring at most this, and one piece more.
 */
const MAX_EXTRA_BYTES = 1024 * 1024;

/** Which connections are read. Closed: the input is full, and their senders wait. */
export class ReadGate<C extends Pausable> {
  readonly #all: Iterable<C>;
  /** Those that have brought something since the gate was opened. */
  readonly #busy = new Set<C>();
  readonly #paused = new Set<C>();
  #isClosed = false;
  #extraBytes = 0;
  #openedAt = performance.now();

  /** `all`: the connections that there are at the moment. */
  constructor(all: Iterable<C>) {
    this.#all = all;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Since when senders need not wait, by `performance.now()`; undefined while they wait. */
  get openSince(): number | undefined {
    return this.#isClosed ? undefined : this.#openedAt;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#extraBytes = 0;
    for (const connection of this.#busy) this.#pause(connection);
  }

  open(): void {
    if (!this.#isClosed) return;
    this.#isClosed = false;
    this.#openedAt = performance.now();
    this.#busy.clear();
    const paused = [...this.#paused];
    this.#paused.clear();
    for (const connection of paused) connection.resume();
  }

  /** A new connection. */
  add(connection: C): void {
    if (this.#isClosed) this.#pause(connection);
  }

  /** A connection has brought a piece, which is passed on. False: it is paused. */
  brought(connection: C, bytes: number): boolean {
    this.#busy.add(connection);
    if (!this.#isClosed) return true;
    this.#pause(connection);
    this.#extraBytes += bytes;
    if (this.#extraBytes >= MAX_EXTRA_BYTES) for (const other of this.#all) this.#pause(other);
    return false;
  }

  remove(connection: C): void {
    this.#busy.delete(connection);
    this.#paused.delete(connection);
  }

  #pause(connection: C): void {
    if (this.#paused.has(connection)) return;
    this.#paused.add(connection);
    connection.pause();
  }
}
