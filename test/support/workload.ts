import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { Client } from './client.ts';
import type { Random } from './random.ts';
import type { SentBatches } from './sent-batches.ts';

/** Clients that send batches over several hours, note every answer in SentBatches, and repeat batches with a key. */
export interface Workload {
  /**
   * Sends until `isOver`, `clients` at once, each with a pause of `pauseMs` after an answer; resolves when no request is under way.
   */
  run(
    client: Client,
    options: { readonly clients: number; readonly isOver: () => boolean; readonly pauseMs?: number },
  ): Promise<void>;
  /** Batches acknowledged so far, by this run or an earlier one. */
  acknowledged(): number;
  /** Sends batches with a key until each is acknowledged. */
  settle(client: Client): Promise<void>;
}

interface Sending {
  readonly batch: number;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

const HOURS = 24;
const FIRST_HOUR = Date.parse('2015-05-17T00:00:00Z');
/** Small batches, whose bytes go into the commit journal, and large ones, whose bytes go to the hour files first. */
const SIZES = [
  { share: 0.85, min: 1, max: 100, hours: 6 },
  { share: 1, min: 1500, max: 2500, hours: 12 },
] as const;
const SETTLED_WITHIN_MS = 60_000;
/** Acknowledged batches that are kept to be sent again. */
const KEPT = 50;
const TYPES = { json: 'application/json', ndjson: 'application/x-ndjson', csv: 'text/csv' } as const;

/**
 * `refusal`: what a 503 means. `final`: nothing of the batch is stored. `open`: it may be stored, because a queue may have
 * accepted it without an answer in time. `firstHour`: the first of the 24 hours of new records, Unix ms; it may move on.
 */
export function createWorkload(
  random: Random,
  sent: SentBatches,
  {
    refusal = 'final',
    firstHour = () => FIRST_HOUR,
  }: { readonly refusal?: 'final' | 'open'; readonly firstHour?: () => number } = {},
): Workload {
  const unanswered: Sending[] = [];
  const repeatable: Sending[] = [];
  let acknowledged = 0;
  let lastRefusal = '';

  function makeSending(draw: Random): Sending {
    const chance = draw.next();
    const { min, max, hours: maxHours } = SIZES.find(({ share }) => chance < share) ?? SIZES[0];
    const size = draw.int(min, max);
    const keyed = draw.chance(0.5);
    const batch = sent.open(size, keyed);
    const hours = Array.from({ length: draw.int(1, maxHours) }, () => draw.int(0, HOURS - 1));
    const records = Array.from({ length: size }, (_, i) => ({
      timestamp: new Date(firstHour() + draw.pick(hours) * 3_600_000 + draw.int(0, 3_599_999)).toISOString(),
      path: `/page/${draw.int(0, 50)}`,
      userAgent: draw.pick(['curl/8', 'Mozilla/5.0 "quoted", with a comma', 'ein Bäcker 🥖']),
      b: batch,
      i,
    }));
    const format = draw.pick(['json', 'ndjson', 'csv'] as const);
    const plain = Buffer.from(encode[format](records));
    const packed = draw.chance(0.2);
    return {
      batch,
      body: packed ? gzipSync(plain) : plain,
      headers: {
        'Content-Type': TYPES[format],
        ...(packed ? { 'Content-Encoding': 'gzip' } : {}),
        ...(keyed ? { 'Idempotency-Key': `crash-${batch}` } : {}),
      },
    };
  }

  function choose(draw: Random): Sending {
    const again = draw.chance(0.7) ? unanswered.shift() : undefined;
    if (again !== undefined) return again;
    if (repeatable.length > 0 && draw.chance(0.05)) return draw.pick(repeatable);
    return makeSending(draw);
  }

  async function post(client: Client, sending: Sending): Promise<boolean> {
    const { batch, body, headers } = sending;
    const { status, body: answer } = await client.post(body, headers);
    const keyed = headers['Idempotency-Key'] !== undefined;
    if (status === 202) {
      sent.answered(batch, 'acknowledged');
      acknowledged++;
      if (keyed && repeatable.push(sending) > KEPT) repeatable.shift();
      return true;
    }
    if (status !== 0 && status !== 503) throw new Error(`batch ${batch} was answered ${status}: ${answer}`);
    lastRefusal = answer;
    sent.answered(batch, status === 0 || refusal === 'open' ? 'lost' : 'refused');
    if (keyed) unanswered.push(sending);
    return status !== 0;
  }

  return {
    async run(client, { clients, isOver, pauseMs = 0 }) {
      const work = async (draw: Random) => {
        while (!isOver()) {
          await post(client, choose(draw));
          if (pauseMs > 0) await sleep(pauseMs);
        }
      };
      await Promise.all(Array.from({ length: clients }, () => work(random.fork())));
    },
    acknowledged: () => acknowledged,
    async settle(client) {
      const deadline = Date.now() + SETTLED_WITHIN_MS;
      for (let sending = unanswered.shift(); sending !== undefined; sending = unanswered.shift()) {
        if (Date.now() > deadline) throw new Error(`still refused: ${lastRefusal}`);
        const isAnswered = await post(client, sending);
        if (!isAnswered) throw new Error('the service closed the connection, and no test had killed it');
      }
    },
  };
}

interface NumberedRecord {
  readonly timestamp: string;
  readonly path: string;
  readonly userAgent: string;
  readonly b: number;
  readonly i: number;
}

const encode = {
  json: (records: readonly NumberedRecord[]) => JSON.stringify(records),
  ndjson: (records: readonly NumberedRecord[]) => records.map((record) => `${JSON.stringify(record)}\n`).join(''),
  csv: (records: readonly NumberedRecord[]) =>
    `timestamp,path,userAgent,b,i\n${records
      .map(
        ({ timestamp, path, userAgent, b, i }) =>
          `${timestamp},${path},"${userAgent.replaceAll('"', '""')}",${b},${i}\n`,
      )
      .join('')}`,
};

/** The batch and place of a stored line that this workload sent. */
export function readNumbers(line: string): { readonly batch: number; readonly index: number } {
  const match = /"b":"?(\d+)"?,"i":"?(\d+)"?\}$/.exec(line);
  if (match === null || JSON.parse(line) === null) throw new Error(`a stored line that was never sent: ${line}`);
  return { batch: Number(match[1]), index: Number(match[2]) };
}
