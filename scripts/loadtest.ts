/**
 * `make loadtest-v1`, `make loadtest-v2`: puts load on a running service by autocannon, and prints the result. It sends records
 * of the present hour with the sizes of a real web log. Status 1 when an answer was not 202.
 */
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { inBatches, makeRecords, toJson } from '../test/support/access-records.ts';

const USAGE = `Usage: node scripts/loadtest.ts [OPTIONS]

  --url http://127.0.0.1:8082   the service            --batch 1000       records in a request
  --connections 16              connections            --duration 10      seconds
  --api-key KEY                 for a service that needs one; or LOGFORGE_API_KEY
`;

/** Number of different bodies, sent in turn. */
const BODIES = 20;

export interface LoadTestOptions {
  readonly url: string;
  readonly batch: number;
  readonly connections: number;
  /** Seconds. */
  readonly duration: number;
  readonly apiKey?: string | undefined;
  readonly progress: boolean;
}

/** Runs the load and prints its tables; resolves to whether every answer was a 202. */
export async function runLoadTest(options: LoadTestOptions): Promise<boolean> {
  const { url, batch, connections, duration, apiKey, progress } = options;
  const headers = { 'Content-Type': 'application/json', ...(apiKey ? { Authorization: `Bearer ${apiKey}` } : {}) };
  const requests = inBatches(makeRecords(batch * BODIES), batch).map((records) => ({ body: toJson(records) }));
  const statuses = new Map<number, number>();
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const run = autocannon(
      {
        url: new URL('/logs', url).href,
        method: 'POST',
        headers,
        requests,
        connections,
        duration,
        setupClient: (client) =>
          client.on('response', (status) => statuses.set(status, (statuses.get(status) ?? 0) + 1)),
      },
      (error, done) => (error ? reject(error) : resolve(done)),
    );
    autocannon.track(run, { renderProgressBar: progress, renderResultsTable: false, renderLatencyTable: progress });
  });
  printResult(result, { batch, statuses });
  return result.errors === 0 && [...statuses.keys()].every((status) => status === 202) && statuses.size > 0;
}

function printResult(
  { duration, latency, errors, timeouts }: autocannon.Result,
  { batch, statuses }: { readonly batch: number; readonly statuses: ReadonlyMap<number, number> },
): void {
  const accepted = statuses.get(202) ?? 0;
  const others = [...statuses].filter(([status]) => status !== 202).map(([status, count]) => `${count} × ${status}`);
  const rows: readonly (readonly [string, string])[] = [
    ['batches accepted', whole(accepted)],
    ['records a second', whole((accepted * batch) / duration)],
    ['batches a second', whole(accepted / duration)],
    ['answer p50, p99, max', `${latency.p50} ms, ${latency.p99} ms, ${latency.max} ms`],
    ['other answers', others.join(', ') || 'none'],
    ['no answer', errors === 0 ? 'none' : `${whole(errors)}, ${whole(timeouts)} of them timed out`],
  ];
  process.stdout.write(`\n${rows.map(([name, value]) => `${name.padEnd(22)}${value}`).join('\n')}\n`);
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:8082' },
      batch: { type: 'string', default: '1000' },
      connections: { type: 'string', default: '16' },
      duration: { type: 'string', default: '10' },
      'api-key': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const answer = await fetch(new URL('/health', values.url)).catch(() => undefined);
  if (answer?.ok !== true) {
    process.stderr.write(`no service answers at ${values.url}: start one with make run-v1 or make run-v2\n`);
    return 1;
  }
  const ok = await runLoadTest({
    url: values.url,
    batch: Number(values.batch),
    connections: Number(values.connections),
    duration: Number(values.duration),
    apiKey: values['api-key'] ?? process.env.LOGFORGE_API_KEY,
    progress: process.stderr.isTTY === true,
  });
  return ok ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main();
