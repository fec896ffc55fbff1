import { expect, test } from 'vitest';
import { createMemoryRegistry } from '../../../test/support/registry.ts';
import { createMetrics } from '../../metrics/metrics.ts';
import { accessOf } from '../access.ts';
import { createEventStreams } from './event-stream.ts';
import { createRoutes } from './routes.ts';

const unused = () => Promise.reject(new Error('unused'));

test('every route of the running app has a class of keys', () => {
  const auth = { enabled: true, headerName: 'X-API-Key', keys: ['k'], readKeys: [], adminKeys: [], metrics: true };
  const app = createRoutes({
    streams: ['access'],
    registry: createMemoryRegistry().registry,
    listStreams: unused,
    checkReadiness: unused,
    analytics: { ask: unused, breakdown: unused, series: unused },
    aggregate: unused,
    records: { open: unused, next: unused, close: unused },
    metrics: createMetrics({ defaultMetrics: false }),
    metricsText: unused,
    serviceStats: unused,
    version: { version: '1', commit: 'c', buildDate: 'd', pipeline: 1, node: 'n' },
    auth,
    authenticate: undefined,
    dashboard: {
      live: { snapshot: unused, subscribe: () => () => undefined, tail: () => () => undefined },
      hourTotals: { totals: unused, latest: unused },
      diskUse: unused,
      settings: {},
    },
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    eventStreams: createEventStreams({ onDropped: () => undefined, onCount: () => undefined }),
    isDraining: () => false,
  });
  const isCheck = ({ method, path }: { method: string; path: string }) => method === 'ALL' && path === '/*';
  expect(app.routes.filter(isCheck)).toHaveLength(1);
  // The check comes first, or a route before it would be answered without.
  expect(app.routes.findIndex(isCheck)).toBe(0);
  const routes = app.routes.filter((route) => !isCheck(route));
  expect(routes.length).toBeGreaterThan(20);
  const without = routes.filter(
    ({ method, path }) => accessOf({ method, path: path.replace(/:\w+/g, 'x') }, auth) === undefined,
  );
  expect(without).toEqual([]);
});
