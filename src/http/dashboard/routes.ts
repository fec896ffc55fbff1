import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context, Hono } from 'hono';
import type { Analytics } from '../../analytics/analytics.ts';
import { hourToIso } from '../../model/hour.ts';
import type { StreamName } from '../../model/stream.ts';
import type { EventStreams } from '../api/event-stream.ts';
import { createEvents } from '../api/events.ts';
import { breakdownParameters, hoursParameters } from '../docs/dashboard-schemas.ts';
import type { VersionInfo } from '../http.ts';
import { type Problem, retryAfter } from '../problem.ts';
import type { DashboardData } from './dashboard.ts';
import { addPage } from './page-routes.ts';
import { answerBreakdown, answerHours, readRange, readStream } from './summaries.ts';

export const DASHBOARD_ROUTES = [
  '/',
  '/events',
  '/events/tail',
  '/api/overview',
  '/api/hours',
  '/api/breakdown',
  '/api/disk',
] as const;

interface DashboardOptions {
  readonly dashboard: DashboardData;
  /** The streams that there are. */
  readonly streams: readonly StreamName[];
  readonly analytics: Analytics;
  readonly version: VersionInfo;
  readonly isDraining: () => boolean;
  readonly eventStreams: EventStreams;
  readonly answerProblem: (problem: Problem) => Response;
}

/** The dashboard: its page and files, its data, and the event streams. */
export function addDashboardRoutes(app: Hono, options: DashboardOptions): void {
  addPage(app);
  addStreams(app, options);
  addData(app, options);
}

function addStreams(app: Hono, options: DashboardOptions): void {
  const { dashboard, streams, isDraining, eventStreams, answerProblem } = options;
  const events = createEvents({ live: dashboard.live, eventStreams, streams });
  const answer = (context: Context, start: () => Problem | undefined): Response => {
    if (isDraining()) return answerProblem(DRAINING);
    // HEAD cannot wait for the end of a stream: it has none.
    if (nodeOf(context).incoming.method === 'HEAD') return new Response(null, { headers: EVENTS_HEAD });
    const failed = start();
    return failed === undefined ? RESPONSE_ALREADY_SENT : answerProblem(failed);
  };
  app.get('/events', (context) => answer(context, () => events.stats(nodeOf(context).outgoing)));
  app.get('/events/tail', (context) =>
    answer(context, () => events.tail(nodeOf(context).outgoing, context.req.queries())),
  );
}

function addData(app: Hono, options: DashboardOptions): void {
  const { dashboard, streams, version, answerProblem } = options;
  const { live, hourTotals, settings } = dashboard;

  app.get('/api/overview', async (context) => {
    const asked = readStream(context, streams);
    if ('kind' in asked) return answerProblem(asked);
    const [snapshot, latest] = await Promise.all([live.snapshot(), hourTotals.latest(asked.stream)]);
    const latestHour = latest === undefined ? null : hourToIso(latest);
    return context.json({ version, settings, latestHour, ...snapshot }, 200, NOT_CACHED);
  });

  app.get('/api/hours', async (context) => {
    const range = readRange(context, hoursParameters, streams);
    if ('kind' in range) return answerProblem(range);
    const answer = await answerHours(range, options);
    return 'kind' in answer ? answerProblem(answer) : context.json(answer, 200, NOT_CACHED);
  });

  app.get('/api/breakdown', async (context) => {
    const range = readRange(context, breakdownParameters, streams);
    if ('kind' in range) return answerProblem(range);
    const answer = await answerBreakdown(range, options);
    return 'kind' in answer ? answerProblem(answer) : context.json(answer, 200, NOT_CACHED);
  });

  app.get('/api/disk', async (context) => {
    const asked = readStream(context, streams);
    if ('kind' in asked) return answerProblem(asked);
    const { walkedAt, ...use } = await dashboard.diskUse(asked.stream);
    const time = walkedAt === undefined ? null : new Date(walkedAt).toISOString();
    return context.json({ walkedAt: time, stream: asked.stream, ...use }, 200, NOT_CACHED);
  });
}

const DRAINING: Problem = { kind: 'draining', detail: 'the service is shutting down', headers: retryAfter(5) };
const NOT_CACHED = { 'Cache-Control': 'no-store' };
const EVENTS_HEAD = { 'Content-Type': 'text/event-stream; charset=utf-8' };

/** The request and response of node:http, which the node server of hono hands in. */
function nodeOf(context: Context): HttpBindings {
  return context.env as HttpBindings;
}
