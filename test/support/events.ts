import { createRandom, type Random } from './random.ts';

/** Records of the stream events with the sizes and repeats of real application logs, the same on every run. */
export interface EventRecord {
  readonly timestamp: string;
  readonly level: string;
  readonly message: string;
  readonly service: string;
  readonly requestId?: string;
  readonly durationMs?: number;
}

export interface EventOptions {
  /** Number of hours of the records, up to `lastHour`, in order. */
  readonly hours?: number;
  /** Whole hours since 1970. Absent: 2025-11-22T15. */
  readonly lastHour?: number;
  readonly seed?: number;
}

const LAST_HOUR = Date.parse('2025-11-22T15:00:00Z') / 3_600_000;
const SERVICES = ['auth', 'payment', 'api', 'db', 'notification'] as const;
/** Most are INFO, few are severe. Two are synonyms, which are stored as WARN and CRIT. */
const LEVELS = [
  ...Array<string>(60).fill('INFO'),
  ...Array<string>(20).fill('DEBUG'),
  ...Array<string>(8).fill('WARN'),
  ...Array<string>(6).fill('ERROR'),
  ...['warning', 'fatal', 'NOTICE', 'TRACE'],
];
const MESSAGES: readonly ((random: Random) => string)[] = [
  (random) => `user ${random.int(1, 9_999)} logged in`,
  (random) => `GET /v1/items/${random.int(1, 500)} answered 200`,
  () => 'connection pool exhausted, waiting',
  (random) => `checkout of cart ${random.int(1, 99_999)} took ${random.int(5, 4_000)} ms`,
  () => 'cannot reach "mail.example": connect ECONNREFUSED',
  (random) => `session ${random.int(1, 9_999)} für Zoë begonnen`,
  (random) => `retry ${random.int(1, 5)} of 5\n  at send (mail.ts:${random.int(1, 300)})`,
];

export function makeEvents(count: number, options: EventOptions = {}): EventRecord[] {
  const { hours = 1, lastHour = LAST_HOUR, seed = 1 } = options;
  const random = createRandom(seed);
  return Array.from({ length: count }, (_, i) => {
    const hour = lastHour - hours + 1 + Math.floor((i * hours) / count);
    const ms = hour * 3_600_000 + random.int(0, 3_599_999);
    return {
      timestamp: new Date(ms).toISOString(),
      level: random.pick(LEVELS),
      message: random.pick(MESSAGES)(random),
      service: random.pick(SERVICES),
      ...(random.chance(0.5) && { requestId: `req-${random.int(1, 1_000_000)}`, durationMs: random.int(1, 5_000) }),
    };
  });
}

/** A body of `application/x-ndjson`. */
export function eventsToNdjson(events: readonly EventRecord[]): Buffer {
  return Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
}
