import { setTimeout as sleep } from 'node:timers/promises';
import { inBatches, makeRecords, toNdjson } from '../support/access-records.ts';
import { createClient } from '../support/client.ts';

/** Batches of realistic records at full speed, each burst in an hour of its own. */
export interface Bursts {
  /** Sends `requests` batches as fast as they are answered. */
  run(port: number, requests: number): Promise<void>;
  /** A stored line of one of their hours, `2016-01-01T00:00:00Z`. */
  found(hour: string, line: string): void;
  isBurst(hour: string): boolean;
  recount(): void;
  /** Hours whose lines are not exactly those that were acknowledged. */
  check(): string[];
  totals(): { readonly records: number; readonly seconds: number };
}

const BATCH = 1_000;
/** Different bodies; they are sent in turn. */
const BODIES = 20;
const CONNECTIONS = 16;
const FIRST_HOUR = Date.parse('2016-01-01T00:00:00Z');
const HOUR_MS = 3_600_000;
const RETRY_MS = 50;

interface Burst {
  /** How often each line was acknowledged, and how often it was answered 503 and may be stored. */
  readonly acknowledged: Map<string, number>;
  readonly open: Map<string, number>;
  readonly stored: Map<string, number>;
  records: number;
}

export function createBursts(): Bursts {
  const bursts = new Map<string, Burst>();
  let seconds = 0;

  return {
    async run(port, requests) {
      const lastHour = FIRST_HOUR / HOUR_MS + bursts.size;
      const hour = new Date(lastHour * HOUR_MS).toISOString().replace('.000Z', 'Z');
      const burst: Burst = { acknowledged: new Map(), open: new Map(), stored: new Map(), records: 0 };
      bursts.set(hour, burst);
      const bodies = inBatches(makeRecords(BATCH * BODIES, { lastHour, seed: bursts.size }), BATCH).map(toNdjson);
      const counts = await sendAll(port, bodies, requests);
      seconds += counts.seconds;
      for (const [i, body] of bodies.entries()) {
        const times = counts.accepted[i] ?? 0;
        burst.records += times * BATCH;
        for (const line of body.toString().slice(0, -1).split('\n')) {
          add(burst.acknowledged, line, times);
          add(burst.open, line, counts.open[i] ?? 0);
        }
      }
    },
    found(hour, line) {
      const burst = bursts.get(hour);
      if (burst !== undefined) add(burst.stored, line, 1);
    },
    isBurst: (hour) => bursts.has(hour),
    recount() {
      for (const { stored } of bursts.values()) stored.clear();
    },
    check: () =>
      [...bursts].flatMap(([hour, { acknowledged, open, stored }]) => {
        const wrong = [...acknowledged].filter(([line, times]) => {
          const found = stored.get(line) ?? 0;
          return found < times || found > times + (open.get(line) ?? 0);
        });
        const strange = [...stored.keys()].filter((line) => !acknowledged.has(line));
        if (wrong.length === 0 && strange.length === 0) return [];
        const [line = '', times = 0] = wrong[0] ?? [];
        const first =
          wrong.length === 0 ? strange[0] : `${times} acknowledged, ${stored.get(line) ?? 0} stored: ${line}`;
        return [`burst of ${hour}: ${wrong.length} lines are wrong, ${strange.length} were never sent; first ${first}`];
      }),
    totals: () => ({ records: [...bursts.values()].reduce((sum, { records }) => sum + records, 0), seconds }),
  };
}

function add(counts: Map<string, number>, line: string, times: number): void {
  counts.set(line, (counts.get(line) ?? 0) + times);
}

/** How often each body was acknowledged, and answered 503: then it may be stored, and is sent again. */
async function sendAll(port: number, bodies: readonly Buffer[], requests: number) {
  const client = createClient(port, { connections: CONNECTIONS });
  const accepted = bodies.map(() => 0);
  const open = bodies.map(() => 0);
  let next = 0;
  const began = performance.now();
  const work = async () => {
    while (next < requests) {
      const place = next++ % bodies.length;
      const body = bodies[place] ?? Buffer.alloc(0);
      for (;;) {
        const answer = await client.post(body, { 'Content-Type': 'application/x-ndjson' });
        if (answer.status === 202) break;
        if (answer.status !== 503) throw new Error(`a batch of a burst was answered ${answer.status}: ${answer.body}`);
        open[place] = (open[place] ?? 0) + 1;
        await sleep(RETRY_MS);
      }
      accepted[place] = (accepted[place] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work)).finally(() => client.close());
  return { accepted, open, seconds: (performance.now() - began) / 1000 };
}
