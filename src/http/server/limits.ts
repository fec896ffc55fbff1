/** The limits of requests and connections. Each says what happens beyond it. */
export interface HttpLimits {
  /** Of one body, as sent and, counted while it unpacks, as decoded. Beyond: 413. */
  readonly maxBodyBytes: number;
  /** Of all bodies in flight, as sent and as decoded, until their batches are answered and stored. Beyond: 503. At least maxBodyBytes. */
  readonly maxInFlightBytes: number;
  /** From the connection, or the first byte of a later request, to the end of the headers. Beyond: 408. */
  readonly headersTimeoutMs: number;
  /** From the end of the headers to the end of the body. Beyond: 408. */
  readonly bodyTimeoutMs: number;
  /** From the end of the body to the answer of a batch: unpack, decode, deliver. Beyond: 503, and the batch goes on. */
  readonly requestTimeoutMs: number;
  /** How long a connection without a request stays open. Beyond: closed. */
  readonly keepAliveTimeoutMs: number;
  /** How long a client may take no byte of answers that wait for it. Beyond: cut. Absent: 20 s. */
  readonly unreadTimeoutMs?: number;
  /** Bytes of answers that wait for all clients. Beyond: those that read least are cut. Absent: 128 MiB. */
  readonly maxUnreadBytes?: number;
  /** Open connections. More are closed when they come. */
  readonly maxConnections: number;
  /** Batches of each API key or, without auth, of each client address. Beyond: 429. Absent: off. */
  readonly rateLimit?: RateLimit;
}

export interface RateLimit {
  readonly requestsPerSecond: number;
  readonly burst: number;
}
