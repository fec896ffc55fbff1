import { afterAll, describe } from 'vitest';
import { createHttpWorkers, type HttpWorkers } from '../src/app/http-workers.ts';
import { loadConfig } from '../src/config/config.ts';
import { toSource } from '../src/http/contract/analytics-fixture.case.ts';
import type { CreateServer } from '../src/http/contract/contract-fixture.case.ts';
import { describeClose } from '../src/http/contract/contract-stop.case.ts';
import { describeOnAnyThreads } from '../src/http/contract/http-contract.case.ts';
import { writeExposition } from '../src/metrics/metrics.ts';
import { FirstHours } from '../src/model/first-hours.ts';
import { startHttpThreads } from './support/http-threads.ts';
import { createTestLog } from './support/queues.ts';
import { createMemoryRegistry } from './support/registry.ts';

const { config: defaults } = loadConfig({ env: { LOGFORGE_LOGGING_LEVEL: 'fatal' } });

/** The same HTTP worker in two threads, with the real ingest. The fake ingest of a test answers in place of the storage. */
const createInThreads: CreateServer = ({ host = '', port, limits, auth, ...options }) => {
  let threads: HttpWorkers | undefined;
  const { headersTimeoutMs, bodyTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs, rateLimit, ...sizes } = limits;
  const times = {
    headersTimeout: headersTimeoutMs,
    bodyTimeout: bodyTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
  };
  const server = {
    ...defaults.server,
    ...sizes,
    ...times,
    addr: `${host}:${port}`,
    threads: 2,
    rateLimit: rateLimit ?? 'off',
  } as const;
  const { lineStore } = options;
  const store = { ...defaults.store, enabled: lineStore !== undefined, maxReaders: lineStore?.maxReaders ?? 1 };
  const config = { ...defaults, server, store, auth: { ...defaults.auth, ...auth } };
  return {
    async listen() {
      const schemaStore = createMemoryRegistry();
      const workers = createHttpWorkers({ config, version: options.version, log: createTestLog(), schemaStore });
      threads = workers;
      return workers.start({
        firstHours: new FirstHours(['access', 'events']),
        deliver: async (batch, note) => {
          const body = Buffer.concat(batch.map(({ lines }) => lines));
          const idempotencyKey = note?.idempotency?.key;
          const result = await options.ingest({
            stream: 'access',
            format: 'ndjson',
            body,
            source: '',
            ...(idempotencyKey !== undefined && { idempotencyKey }),
          });
          if (result.kind === 'invalid') throw new Error('the store cannot find a record invalid');
          return { durability: result.durability, ...(result.replayed && { replay: result.answer }) };
        },
        checkReadiness: options.checkReadiness,
        analytics: toSource(options.analytics),
        aggregate: options.aggregate,
        records: options.records,
        lineStore: options.lineStore?.store,
        registry: options.registry,
        schemas: schemaStore.table,
        ...options.dashboard,
        streamTotals: async () => {
          await options.listStreams();
          return new Map();
        },
        serviceStats: options.serviceStats,
        metricsText: async () => writeExposition(options.metrics, await workers.metrics()),
      });
    },
    drain: () => {
      throw new Error('threads drain when they close, and not before');
    },
    close: async (grace) => threads?.close(grace),
  };
};

/*
 * The contract of src/http on two threads. Tests of answers use threads that stay alive for all of them, with the fakes of
 * the tests. Tests of closing use real HTTP workers, whose threads start and end with the server.
 *
 * Left out: draining before the close (threads drain when they close), sharing a port (they always do), and the limits on
 * connections and event streams, which are divided among the threads (test/e2e/thread-limits.test.ts).
 */
describe('two HTTP workers', () => {
  const threads = startHttpThreads(2);
  afterAll(() => threads.stop());

  describeOnAnyThreads(threads.create, 2);
  describeClose(createInThreads);
});
