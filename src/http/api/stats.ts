import type { Hono } from 'hono';
import type { ServiceStats } from '../../live/live.ts';
import { mapKinds } from '../../model/record-kinds.ts';
import type { HttpServerOptions } from '../http.ts';
import { createHostCheck } from '../server/host.ts';

const NOT_CACHED = { 'Cache-Control': 'no-store' };

/** GET /stats, and GET /metrics in both of its forms: text for Prometheus, and the JSON of /stats for who asks for JSON. */
export function addStatsRoutes(
  app: Hono,
  options: Pick<HttpServerOptions, 'serviceStats' | 'metricsText' | 'metrics' | 'auth' | 'hosts' | 'host'>,
): void {
  const { serviceStats, metricsText, metrics, auth } = options;
  // Without auth.metrics anybody reads /metrics, and under any name of the service (createHostCheck); the samples are records.
  const checkHost = createHostCheck(options);
  const showsSamples = (host: string | undefined) =>
    (!auth.enabled || auth.metrics) && checkHost('/stats', host) === undefined;

  app.get('/stats', async (context) => context.json(await serviceStats(), 200, NOT_CACHED));

  app.get('/metrics', async (context) => {
    if (!prefersJson(context.req.header('accept')))
      return context.body(await metricsText(), 200, { 'Content-Type': metrics.registry.contentType, Vary: 'Accept' });
    const stats = await serviceStats();
    const shown = showsSamples(context.req.header('host')) ? stats : withoutSamples(stats);
    return context.json(shown, 200, { ...NOT_CACHED, Vary: 'Accept' });
  });
}

/** Nor addresses of clients. */
function withoutSamples(stats: ServiceStats): ServiceStats {
  const { sources: _, ...others } = stats;
  return { ...others, samples: mapKinds(() => []) };
}

/** The weights of text, as Prometheus and browsers ask for it. */
const TEXTS = ['text/plain', 'text/*', 'application/openmetrics-text', 'text/html'];

/** Whether an Accept header names application/json, with no text that weighs as much or more. RFC 9110, section 12.5.1. */
export function prefersJson(accept: string | undefined): boolean {
  const weights = new Map<string, number>();
  for (const range of accept?.split(',') ?? []) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    const weight = q === undefined ? 1 : Number(q) || 0;
    weights.set(name, Math.max(weight, weights.get(name) ?? 0));
  }
  const json = weights.get('application/json') ?? 0;
  const text = Math.max(0, ...TEXTS.map((name) => weights.get(name) ?? 0));
  return json > text;
}
