import { createRandom, type Random } from './random.ts';

/** Synthetic records of applications, the same on every run but for their hour, which is the present one. */

export interface EventRecord {
  readonly timestamp: string;
  readonly level: string;
  readonly message: string;
  readonly service: string;
  readonly requestId: string;
}

export interface OrderRecord {
  readonly timestamp: string;
  readonly shop: string;
  readonly orderId: string;
  readonly customer: string;
  readonly currency: string;
  readonly state: string;
  readonly total: number;
}

const LEVELS = [...Array<string>(12).fill('INFO'), 'DEBUG', 'DEBUG', 'WARN', 'ERROR'];
const SERVICES = ['auth-service', 'payment-service', 'api-gateway', 'db', 'notification-service', 'search'];
const VERBS = ['accepted', 'rejected', 'queued', 'retried', 'finished'];
const THINGS = ['payment for order', 'login of user', 'query of shard', 'mail to user', 'refresh of token'];
const SHOPS = ['berlin-mitte', 'hamburg', 'online', 'wien'];

export interface EventOptions {
  /** Number of hours of the records, up to `lastHour`, in order. */
  readonly hours?: number;
  /** Whole hours since 1970. Absent: the present hour. */
  readonly lastHour?: number;
  readonly seed?: number;
}

function timestampIn(hour: number, random: Random): string {
  return new Date(hour * 3_600_000 + random.int(0, 3_599_999)).toISOString().replace(/\.?0*Z$/, 'Z');
}

function presentHour(): number {
  return Math.floor(Date.now() / 3_600_000);
}

/** `count` events with stored lines of about 165 bytes. */
export function makeEvents(count: number, options: EventOptions = {}): EventRecord[] {
  const { hours = 1, lastHour = presentHour(), seed = 1 } = options;
  const random = createRandom(seed);
  return Array.from({ length: count }, (_, i) => ({
    timestamp: timestampIn(lastHour - hours + 1 + Math.floor((i * hours) / count), random),
    level: random.pick(LEVELS),
    message: `${random.pick(THINGS)} ${random.int(1, 99_999)} ${random.pick(VERBS)} in ${random.int(1, 900)} ms`,
    service: random.pick(SERVICES),
    requestId: random.int(2 ** 30, 2 ** 31).toString(16),
  }));
}

/** `count` records of a stream with the required fields of ORDERS_STREAM, and one field more. */
export function makeOrders(count: number, seed = 1): OrderRecord[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => ({
    timestamp: timestampIn(presentHour(), random),
    shop: random.pick(SHOPS),
    orderId: `o-${random.int(1, 999_999)}`,
    customer: `customer ${random.int(1, 9_999)}`,
    currency: random.pick(['EUR', 'EUR', 'CHF']),
    state: random.pick(VERBS),
    total: random.int(100, 99_999) / 100,
  }));
}

/** What a team may configure for such records. */
export const ORDERS_STREAM = {
  name: 'orders',
  required: ['shop', 'orderId', 'customer', 'currency', 'state'],
  countBy: ['shop', 'state'],
};

/** The events as a body of `text/csv` with a header. */
export function eventsToCsv(records: readonly EventRecord[]): Buffer {
  const rows = records.map((record) => `${Object.values(record).join(',')}\r\n`);
  return Buffer.from(`timestamp,level,message,service,requestId\r\n${rows.join('')}`);
}
