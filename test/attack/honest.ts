import { setMaxListeners } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { createClient } from '../support/client.ts';
import { HONEST_HOUR } from './attack.ts';
import { pause } from './wire.ts';

/*
 * The process of the honest clients: `node honest.ts '{"port":1,"seconds":60}'`. Each client has a connection that stays open, and sends a
 * batch every 50 ms whether or not the one before is answered; so a service that stops for a second delays twenty batches, and all of
 * them are seen. It prints an HonestReport as JSON.
 */
export interface HonestPlan {
  readonly port: number;
  readonly seconds: number;
  /** Sent as X-API-Key. */
  readonly apiKey?: string;
  /** The hour of the records. Absent: HONEST_HOUR. */
  readonly hour?: string;
  /** Begins the name of each batch, so that several runs may share an hour. */
  readonly prefix?: string;
}

export interface HonestReport {
  readonly acknowledged: readonly string[];
  /** Batches with another answer than 202, or none, and what that was. */
  readonly failed: readonly (readonly [batch: string, outcome: string])[];
  /** Milliseconds from the time at which a batch was due to its answer. */
  readonly latencies: readonly number[];
  /** The same for GET /health, ten times a second. */
  readonly health: readonly number[];
}

const CLIENTS = 8;
const EVERY_MS = 50;
const HEALTH_EVERY_MS = 100;
/** How long after the last batch its answers may come. */
const PATIENCE_MS = 10_000;
export const RECORDS_A_BATCH = 10;

const FORMS = ['json', 'gzip', 'ndjson', 'csv'] as const;

/** The paths of the records of a batch say which batch and which record. */
function encode(
  form: (typeof FORMS)[number],
  batch: string,
  hour: string,
): { body: Buffer; headers: Record<string, string> } {
  const paths = Array.from({ length: RECORDS_A_BATCH }, (_, i) => `/honest/${batch}/${i}`);
  const timestamp = `${hour}:00:00Z`;
  if (form === 'csv') {
    const rows = paths.map((path) => `${timestamp},${path},honest\n`);
    return { body: Buffer.from(rows.join('')), headers: { 'Content-Type': 'text/csv' } };
  }
  const records = paths.map((path) => ({ timestamp, path, userAgent: 'honest' }));
  if (form === 'ndjson') {
    const lines = records.map((record) => `${JSON.stringify(record)}\n`);
    return { body: Buffer.from(lines.join('')), headers: { 'Content-Type': 'application/x-ndjson' } };
  }
  const json = Buffer.from(JSON.stringify(records));
  return form === 'gzip'
    ? { body: gzipSync(json), headers: { 'Content-Encoding': 'gzip' } }
    : { body: json, headers: {} };
}

/** On a new connection each time, as a load balancer asks. */
async function getHealth(port: number): Promise<string> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    await response.text();
    return String(response.status);
  } catch (error) {
    return String(error);
  }
}

async function sendAll({ port, seconds, apiKey, hour = HONEST_HOUR, prefix = '' }: HonestPlan): Promise<HonestReport> {
  const signal = AbortSignal.timeout(Math.round(seconds * 1_000));
  setMaxListeners(0, signal);
  const noAnswer = wait(seconds * 1_000 + PATIENCE_MS, { status: 0, body: 'no answer' }, { ref: false });
  const acknowledged: string[] = [];
  const failed: (readonly [string, string])[] = [];
  const latencies: number[] = [];
  const health: number[] = [];
  const auth = apiKey === undefined ? {} : { 'X-API-Key': apiKey };

  const sendOne = async (client: ReturnType<typeof createClient>, batch: string, due: number, number: number) => {
    const { body, headers } = encode(FORMS[number % FORMS.length] ?? 'json', batch, hour);
    const answer = client.post(body, { ...headers, ...auth });
    const { status, body: text } = await Promise.race([answer, noAnswer]);
    latencies.push(performance.now() - due);
    if (status === 202) acknowledged.push(batch);
    else failed.push([batch, `${status} ${text.slice(0, 200)}`]);
  };
  const runClient = async (id: number) => {
    const client = createClient(port, { connections: 1 });
    const begun = performance.now() + (id * EVERY_MS) / CLIENTS;
    const sent: Promise<void>[] = [];
    for (let number = 0; !signal.aborted; number++) {
      const due = begun + number * EVERY_MS;
      await pause(signal, Math.max(0, due - performance.now()));
      if (!signal.aborted) sent.push(sendOne(client, `${prefix}${id}-${number}`, due, number));
    }
    await Promise.all(sent);
    client.close();
  };
  const probe = async () => {
    while (!signal.aborted) {
      const begun = performance.now();
      const status = await getHealth(port);
      if (status !== '200') failed.push(['health', status]);
      health.push(performance.now() - begun);
      await pause(signal, HEALTH_EVERY_MS);
    }
  };

  await Promise.all([...Array.from({ length: CLIENTS }, (_, id) => runClient(id)), probe()]);
  return { acknowledged, failed, latencies, health };
}

if (process.argv[1] === import.meta.filename) {
  const report = await sendAll(JSON.parse(process.argv[2] ?? '') as HonestPlan);
  // Requests without an answer must not hold the process.
  process.stdout.write(JSON.stringify(report), () => process.exit());
}
