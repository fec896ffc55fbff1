import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { type BatchOptions, FIRST_HOUR, makeBatch, type Size } from './batch-maker.ts';
import type { Client, Outcome } from './client.ts';
import type { Random } from './random.ts';
import type { SentBatches } from './sent-batches.ts';
import type { TestStream } from './streams.ts';

/** A batch as it is sent. */
export interface Sending {
  readonly number: number;
  readonly path: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /** Its Idempotency-Key. A batch without one is sent once. */
  readonly key: string | undefined;
}

export interface MakeOptions {
  /** With an Idempotency-Key. Absent: drawn. */
  readonly keyed?: boolean;
  /** Without invalid records. */
  readonly isValid?: true;
}

export type Answer = Pick<Outcome, 'status' | 'body' | 'headers'>;

/**
 * Clients that send batches over several hours, note every answer in SentBatches, and repeat batches with a key, also those of an
 * earlier run. `answered` judges every answer; what is wrong with one becomes a problem.
 */
export interface Workload {
  /**
   * Sends until `isOver`, `clients` at once, each with a pause of `pauseMs` after an answer; resolves when no request is under way. With
   * a function each client has connections of its own, which are closed at the end.
   */
  run(
    client: Client | (() => Client),
    options: { readonly clients: number; readonly isOver: () => boolean; readonly pauseMs?: number },
  ): Promise<void>;
  /** Requests with an answer 202 so far, in all runs. */
  acknowledged(): number;
  /** Sends batches with a key until each is acknowledged. */
  settle(client: Client): Promise<void>;
  /** A new batch, to be sent by someone else. */
  make(options?: MakeOptions): Sending;
  /** Notes the end of one request. `incomplete`: the service never got the whole batch. */
  answered(sending: Sending, answer: Answer | 'incomplete'): void;
  /** Sends a batch that exists, and notes the answer. */
  post(client: Client, sending: Sending): Promise<Outcome>;
  /** The stream that a batch was sent to; undefined for a batch that was not sent. */
  streamOf(batch: number): TestStream | undefined;
  /** Whether a stored line is that record; otherwise what it should be. */
  compare(line: string, batch: number, index: number): true | string;
  /** The connection that sent a batch and its place on it; undefined for a batch that was not sent exactly once, with 202. */
  placeOf(batch: number): { readonly connection: number; readonly place: number } | undefined;
  /** Wrong answers since the last call. */
  takeProblems(): string[];
  /** Figures since the last call. */
  takeTally(): Tally;
}

/** Records by the answer to their request. */
export interface Tally {
  stored: number;
  deadLettered: number;
  rejected: number;
  duplicate: number;
  /** Of requests without an answer. */
  unknown: number;
  /** Milliseconds of every 202. */
  readonly latencies: number[];
  /** Other ends of requests, by the title of the problem. */
  readonly others: Map<string, number>;
}

interface Entry {
  readonly options: BatchOptions;
  readonly key: string | undefined;
  readonly valid: number;
  readonly invalid: number;
  /** The checksum of each expected line. */
  readonly sums: Uint32Array;
  /** Requests that began with it. */
  attempts: number;
  acknowledgement: string | undefined;
  connection: number;
  place: number;
}

/** Small batches, whose bytes go into the commit journal, and large ones, whose bytes go to the hour files first. */
const SIZES: readonly Size[] = [
  { share: 0.95, min: 1, max: 60, hours: 6 },
  { share: 1, min: 1500, max: 2500, hours: 12 },
];
const SETTLED_WITHIN_MS = 60_000;
/** Acknowledged batches that are kept to be sent again. */
const KEPT = 50;
const MAX_PROBLEMS = 20;
/** A client whose connection ended waits, so that a dead service is not asked thousands of times. */
const LOST_PAUSE_MS = 20;

/**
 * `refusal`: what a 503 means. `final`: nothing of the batch is stored, unless the answer says that it may be. `open`: it may be
 * stored, because a queue may have accepted it without an answer in time. `invalid`: the share of batches with invalid records.
 * `firstHour`: the first of the 24 hours of new records, Unix ms; it may move on. `streams`: where batches go, one of them drawn for each.
 */
// Long: functions that share what was sent so far.
export function createWorkload(
  random: Random,
  sent: SentBatches,
  {
    refusal = 'final',
    invalid = 0,
    firstHour = () => FIRST_HOUR,
    streams = ['access'],
  }: {
    readonly refusal?: 'final' | 'open';
    readonly invalid?: number;
    readonly firstHour?: () => number;
    readonly streams?: readonly TestStream[];
  } = {},
): Workload {
  /** By number: others may open batches in `sent`, too. */
  const entries = new Map<number, Entry>();
  const unanswered: Sending[] = [];
  const repeatable: Sending[] = [];
  let acknowledged = 0;
  let lastRefusal = '';
  let connections = 0;
  let problems: string[] = [];
  let tally = emptyTally();

  function make(draw: Random, { keyed = draw.chance(0.5), isValid }: MakeOptions = {}): Sending {
    const kind: BatchOptions['kind'] = draw.chance(invalid) && !isValid ? draw.pick(['skip', 'reject']) : 'valid';
    const options = {
      seed: draw.int(0, 2 ** 31 - 1),
      number: sent.next(),
      kind,
      sizes: SIZES,
      firstHour: firstHour(),
      ...(streams.length > 1 && { stream: draw.pick(streams) }),
    };
    const { path, body, headers, lines } = makeBatch(options);
    const number = sent.open(lines.length, keyed);
    const key = keyed ? `key-${number}` : undefined;
    const valid = lines.filter((line) => line !== undefined).length;
    const sums = Uint32Array.from(lines, (line) => crc32(line ?? ''));
    const [attempts, acknowledgement] = [0, undefined];
    entries.set(number, {
      ...{ options, key, valid, invalid: lines.length - valid, sums, attempts, acknowledgement },
      ...{ connection: -1, place: 0 },
    });
    return { number, path, body, headers: { ...headers, ...(keyed ? { 'Idempotency-Key': `${key}` } : {}) }, key };
  }

  function choose(draw: Random): Sending {
    const again = draw.chance(0.7) ? unanswered.shift() : undefined;
    if (again !== undefined) return again;
    if (repeatable.length > 0 && draw.chance(0.05)) return draw.pick(repeatable);
    return make(draw);
  }

  function entryOf({ number }: Sending): Entry {
    const entry = entries.get(number);
    if (entry === undefined) throw new Error(`no such batch: ${number}`);
    return entry;
  }

  function complain(text: string): void {
    if (problems.length < MAX_PROBLEMS) problems.push(text);
  }

  function accept(sending: Sending, entry: Entry, { body, headers }: Answer): void {
    const { number, key } = sending;
    const { valid, invalid: skipped, options, acknowledgement } = entry;
    const isReplayed = headers['idempotency-replayed'] === 'true';
    const right = skipped === 0 ? `{"accepted":${valid}}` : `{"accepted":${valid},"rejected":${skipped},"errors":[`;
    if (options.kind === 'reject') complain(`batch ${number} has an invalid record and was answered 202 ${body}`);
    else if (skipped === 0 ? body !== right : !body.startsWith(right)) {
      complain(`batch ${number} was answered ${body} instead of ${right}`);
    }
    if (acknowledgement !== undefined && acknowledgement !== body) {
      complain(`batch ${number} was answered ${body}, and before ${acknowledgement}`);
    }
    entry.acknowledgement = body;
    sent.answered(number, 'acknowledged');
    acknowledged++;
    if (isReplayed) tally.duplicate += valid + skipped;
    else {
      tally.stored += valid;
      tally.deadLettered += skipped;
    }
    if (key !== undefined && repeatable.push(sending) > KEPT) repeatable.shift();
  }

  function refuse(sending: Sending, entry: Entry, { status, body }: Answer): void {
    const { number, key } = sending;
    const records = entry.valid + entry.invalid;
    const isUnsent = status === 0 && body.includes('ECONNREFUSED');
    const title = isUnsent
      ? 'no connection'
      : status === 0
        ? 'no answer'
        : `${status} ${/"title":"([^"]*)"/.exec(body)?.[1] ?? ''}`;
    tally.others.set(title, (tally.others.get(title) ?? 0) + 1);
    if (status === 400 && entry.options.kind === 'reject') {
      tally.rejected += records;
      sent.answered(number, 'refused');
      return;
    }
    // 408: this machine was so busy that the request did not arrive in time. Nothing is stored.
    if (![0, 408, 503].includes(status)) complain(`batch ${number} was answered ${status}: ${body}`);
    lastRefusal = `${status} ${body}`;
    const mayBeStored = (status === 0 && !isUnsent) || refusal === 'open' || body.includes('may still be stored');
    sent.answered(number, mayBeStored && entry.options.kind !== 'reject' ? 'lost' : 'refused');
    if (mayBeStored) tally.unknown += records;
    else if (!isUnsent && status !== 408) tally.rejected += records;
    if (key !== undefined) unanswered.push(sending);
  }

  function answered(sending: Sending, answer: Answer | 'incomplete'): void {
    const entry = entryOf(sending);
    if (answer === 'incomplete') {
      sent.answered(sending.number, 'refused');
      // Some of its records may have been counted as received, and then as rejected.
      tally.unknown += entry.valid + entry.invalid;
      if (sending.key !== undefined) unanswered.push(sending);
    } else if (answer.status === 202) accept(sending, entry, answer);
    else refuse(sending, entry, answer);
  }

  async function post(client: Client, sending: Sending): Promise<Outcome> {
    const entry = entryOf(sending);
    const begun = performance.now();
    entry.attempts++;
    const outcome = await client.post(sending.body, sending.headers, sending.path);
    if (outcome.status === 202) tally.latencies.push(performance.now() - begun);
    if (outcome.headers['idempotency-replayed'] !== undefined && entry.attempts === 1) {
      complain(`the first request with batch ${sending.number} was answered as a repeat`);
    }
    answered(sending, outcome);
    return outcome;
  }

  async function work(client: Client, draw: Random, isOver: () => boolean, pauseMs: number): Promise<void> {
    const connection = connections++;
    for (let place = 0; !isOver(); place++) {
      const sending = choose(draw);
      const entry = entryOf(sending);
      [entry.connection, entry.place] = [connection, place];
      const { status } = await post(client, sending);
      const pause = status === 0 ? Math.max(pauseMs, LOST_PAUSE_MS) : pauseMs;
      if (pause > 0) await sleep(pause);
    }
  }

  return {
    async run(client, { clients, isOver, pauseMs = 0 }) {
      const runOne = async (draw: Random) => {
        const own = typeof client === 'function' ? client() : undefined;
        await work(own ?? (client as Client), draw, isOver, pauseMs);
        own?.close();
      };
      await Promise.all(Array.from({ length: clients }, () => runOne(random.fork())));
    },
    acknowledged: () => acknowledged,
    async settle(client) {
      const deadline = Date.now() + SETTLED_WITHIN_MS;
      for (let sending = unanswered.shift(); sending !== undefined; sending = unanswered.shift()) {
        if (Date.now() > deadline) throw new Error(`still refused: ${lastRefusal}`);
        const { status } = await post(client, sending);
        if (status === 0) throw new Error('the service closed the connection, and no test had killed it');
      }
    },
    make: (options) => make(random, options),
    answered(sending, answer) {
      entryOf(sending).attempts++;
      answered(sending, answer);
    },
    post,
    streamOf(batch) {
      const entry = entries.get(batch);
      return entry && (entry.options.stream ?? 'access');
    },
    compare(line, batch, index) {
      const entry = entries.get(batch);
      if (entry?.sums[index] === crc32(line)) return true;
      return entry === undefined ? 'nothing' : (makeBatch(entry.options).lines[index] ?? 'nothing');
    },
    placeOf(batch) {
      const entry = entries.get(batch);
      if (entry === undefined || entry.attempts !== 1 || entry.acknowledgement === undefined) return undefined;
      return entry.connection < 0 ? undefined : { connection: entry.connection, place: entry.place };
    },
    takeProblems() {
      const taken = problems;
      problems = [];
      return taken;
    },
    takeTally() {
      const taken = tally;
      tally = emptyTally();
      return taken;
    },
  };
}

function emptyTally(): Tally {
  return { stored: 0, deadLettered: 0, rejected: 0, duplicate: 0, unknown: 0, latencies: [], others: new Map() };
}
