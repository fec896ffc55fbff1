import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context, Hono } from 'hono';
import type { Analytics, RangeSum } from '../../analytics/analytics.ts';
import { type Hour, hourToIso, parseHour } from '../../model/hour.ts';
import type { EventStreams } from '../api/event-stream.ts';
import { createEvents } from '../api/events.ts';
import { rangeFault, readParameters } from '../api/parameters.ts';
import { type Authenticate, UNAUTHORIZED } from '../auth.ts';
import { breakdownParameters, rangeParameters } from '../docs/dashboard-schemas.ts';
import type { VersionInfo } from '../http.ts';
import { type Problem, retryAfter } from '../problem.ts';
import { readAssets } from './assets.ts';
import type { DashboardData } from './dashboard.ts';

export const DASHBOARD_ROUTES = [
  '/',
  '/events',
  '/events/tail',
  '/api/overview',
  '/api/hours',
  '/api/breakdown',
] as const;

/** Nothing but our own files, and no script or style in the page itself. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE_HEADERS = {
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

/** The dashboard: its page and files, open to all; its data and the event streams, with a key where one is needed. */
export function addDashboardRoutes(
  app: Hono,
  options: {
    readonly dashboard: DashboardData;
    readonly analytics: Analytics;
    readonly version: VersionInfo;
    readonly authenticate: Authenticate | undefined;
    readonly isDraining: () => boolean;
    readonly streams: EventStreams;
    readonly answerProblem: (problem: Problem) => Response;
  },
): void {
  const { dashboard, analytics, version, authenticate, isDraining, streams, answerProblem } = options;
  const { live, hourTotals, settings } = dashboard;
  const events = createEvents({ live, streams });
  const assets = readAssets();

  const refuse = (context: Context): Problem | undefined => {
    const { incoming } = nodeOf(context);
    if (authenticate === undefined || authenticate(incoming.headers) !== undefined) return undefined;
    return UNAUTHORIZED;
  };

  const answerStream = (context: Context, start: () => Problem | undefined): Response => {
    const problem = isDraining() ? DRAINING : refuse(context);
    if (problem !== undefined) return answerProblem(problem);
    // A stream has no end that HEAD could wait for.
    if (nodeOf(context).incoming.method === 'HEAD') return new Response(null, { headers: EVENTS_HEAD });
    const failed = start();
    return failed === undefined ? RESPONSE_ALREADY_SENT : answerProblem(failed);
  };

  const answerAsset = (context: Context, name: string): Response | undefined => {
    const asset = assets.get(name)?.();
    if (asset === undefined) return undefined;
    const { type, etag, bytes, gzipped } = asset;
    const headers = { ...PAGE_HEADERS, ETag: etag, 'Cache-Control': 'no-cache', Vary: 'Accept-Encoding' };
    if (context.req.header('if-none-match') === etag) return new Response(null, { status: 304, headers });
    const packs = /\bgzip\b/.test(context.req.header('accept-encoding') ?? '');
    const encoding: Record<string, string> = packs ? { 'Content-Encoding': 'gzip' } : {};
    return new Response(new Uint8Array(packs ? gzipped : bytes), {
      headers: { ...headers, ...encoding, 'Content-Type': type },
    });
  };

  app.get('/', (context) => answerAsset(context, 'index.html') ?? context.notFound());
  app.get('/assets/:name', (context) => answerAsset(context, context.req.param('name')) ?? context.notFound());
  app.get('/events', (context) => answerStream(context, () => events.stats(nodeOf(context).outgoing)));
  app.get('/events/tail', (context) =>
    answerStream(context, () => events.tail(nodeOf(context).outgoing, context.req.queries())),
  );

  app.get('/api/overview', async (context) => {
    const problem = refuse(context);
    if (problem !== undefined) return answerProblem(problem);
    const [snapshot, latest] = await Promise.all([live.snapshot(), hourTotals.latest()]);
    const latestHour = latest === undefined ? null : hourToIso(latest);
    return context.json({ version, settings, latestHour, ...snapshot }, 200, NOT_CACHED);
  });

  app.get('/api/hours', async (context) => {
    const range = refuse(context) ?? readRange(context, rangeParameters);
    if ('kind' in range) return answerProblem(range);
    const { from, to } = range;
    const totals = await hourTotals.totals(from, to);
    return context.json({ from: hourToIso(from), to: hourToIso(to), totals }, 200, NOT_CACHED);
  });

  app.get('/api/breakdown', async (context) => {
    const range = refuse(context) ?? readRange(context, breakdownParameters);
    if ('kind' in range) return answerProblem(range);
    const { from, to, search = '' } = range;
    const sum = await analytics.range(from, to, { top: BREAKDOWN_ROWS, search, audience: true });
    return context.json({ from: hourToIso(from), to: hourToIso(to), ...describeSum(sum) }, 200, NOT_CACHED);
  });
}

/** Rows of each table of the page. */
const BREAKDOWN_ROWS = 100;

const DRAINING: Problem = { kind: 'draining', detail: 'the service is shutting down', headers: retryAfter(5) };
const NOT_CACHED = { 'Cache-Control': 'no-store' };
const EVENTS_HEAD = { 'Content-Type': 'text/event-stream; charset=utf-8' };

/** What the node server hands in beside the request. */
function nodeOf(context: Context): HttpBindings {
  return context.env as HttpBindings;
}

interface Range {
  readonly from: Hour;
  readonly to: Hour;
  readonly search?: string | undefined;
}

function readRange({ req }: Context, parameters: typeof rangeParameters | typeof breakdownParameters): Range | Problem {
  const wrong = (detail: string): Problem => ({ kind: 'bad-request', detail });
  const given = readParameters(parameters, req.queries());
  if (typeof given === 'string') return wrong(given);
  const [from = Number.NaN, to = Number.NaN] = [parseHour(given.from), parseHour(given.to)];
  const fault = rangeFault(from, to);
  return fault === undefined ? { ...given, from, to } : wrong(fault);
}

/** Lists, not objects: those would put a path `123` first. */
function describeSum({ summary, hours, distinct, audience }: RangeSum) {
  const bots = new Set(audience?.botUserAgents);
  return {
    hours,
    totalRequests: summary.totalRequests,
    skippedLines: summary.source.skippedLines,
    paths: [...summary.requestsPerPath],
    userAgents: [...summary.requestsPerUserAgent].map(([name, count]) => [name, count, bots.has(name)]),
    distinct: distinct ?? { paths: summary.requestsPerPath.size, userAgents: summary.requestsPerUserAgent.size },
    audience: { people: audience?.people ?? 0, bots: audience?.bots ?? 0, unknown: audience?.unknown ?? 0 },
  };
}
