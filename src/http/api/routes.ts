import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { UnavailableError } from '../../model/deliver.ts';
import { addAccessCheck } from '../access-check.ts';
import type { Authenticate } from '../auth.ts';
import { addDashboardRoutes, DASHBOARD_ROUTES } from '../dashboard/routes.ts';
import { docsPage } from '../docs/docs-page.ts';
import { openApiDocument } from '../docs/openapi.ts';
import { hidePaths } from '../hide-paths.ts';
import type { HttpServerOptions } from '../http.ts';
import { unknownStream } from '../logs/logs-request.ts';
import { PROBLEM_TYPE, type Problem, problemBody, problemStatus, retryAfter } from '../problem.ts';
import { addRegistryRoutes } from '../registry/registry-routes.ts';
import { addSchemaRoutes } from '../registry/schema-routes.ts';
import { addStoreRoutes, STORE_ROUTES } from '../store/store-routes.ts';
import { ADMIN_ROUTES, addAdminRoutes } from './admin.ts';
import { answerAnalytics, BUSY } from './analytics.ts';
import type { EventStreams } from './event-stream.ts';
import { answerReady } from './health.ts';
import { addRecordsRoute } from './records.ts';
import { createSendText, takesGzip } from './send-text.ts';
import { addStatsRoutes } from './stats.ts';
import { addStreamsRoute } from './streams.ts';
import { prefersCsv } from './summary-csv.ts';

/** The known paths. They name the route of a request in metrics. */
export const ROUTES = [
  '/logs',
  '/health',
  '/ready',
  '/version',
  '/metrics',
  '/analytics',
  '/records',
  '/streams',
  '/stats',
  ...STORE_ROUTES,
  ...ADMIN_ROUTES,
  '/openapi.json',
  '/docs',
  ...DASHBOARD_ROUTES,
] as const;

const POSTED: ReadonlySet<string> = new Set(['/logs', '/store/batch', ...ADMIN_ROUTES]);

interface RoutesOptions
  extends Pick<
    HttpServerOptions,
    | 'streams'
    | 'listStreams'
    | 'checkReadiness'
    | 'analytics'
    | 'aggregate'
    | 'records'
    | 'metrics'
    | 'metricsText'
    | 'serviceStats'
    | 'hosts'
    | 'host'
    | 'version'
    | 'auth'
    | 'dashboard'
    | 'registry'
    | 'lineStore'
    | 'log'
  > {
  readonly authenticate: Authenticate | undefined;
  readonly eventStreams: EventStreams;
  readonly isDraining: () => boolean;
}

/** All routes but POST /logs and /store/batch, which have handlers of their own (logs/logs.ts, store/post-lines.ts). */
export function createRoutes(options: RoutesOptions): Hono {
  const { streams } = options;
  const app = new Hono();
  addAccessCheck(app, { ...options, answerProblem: problem });
  addServiceRoutes(app, options);
  addAnalyticsRoute(app, options);
  addRecordsRoute(app, { ...options, answerProblem: problem });
  addStreamsRoute(app, options);
  addStatsRoutes(app, options);
  addStoreRoutes(app, { ...options, answerProblem: problem });
  addDocsRoutes(app, options);
  addAdminRoutes(app, { ...options, answerProblem: problem });
  addDashboardRoutes(app, { ...options, answerProblem: problem });
  addRegistryRoutes(app, { base: '/registry', registry: options.registry });
  addSchemaRoutes(app, { registry: options.registry, answerProblem: problem });

  refuseOtherMethods(app, ROUTES);
  app.all('/logs/:stream', (context) => {
    const name = context.req.param('stream');
    return problem(streams.includes(name) ? methodNotAllowed(context, 'POST') : unknownStream(name, streams));
  });
  app.notFound((context) => problem({ kind: 'not-found', detail: `no such route: ${context.req.path}` }));
  app.onError((error, context) => answerError(error, context, options));
  return app;
}

/** To be called after the routes of these paths were added. */
export function refuseOtherMethods(app: Hono, paths: readonly string[]): void {
  for (const path of paths) {
    const allow = POSTED.has(path) ? 'POST' : 'GET, HEAD';
    app.all(path, (context) => problem(methodNotAllowed(context, allow)));
  }
}

/** GET /health, /ready and /version. */
export function addServiceRoutes(
  app: Hono,
  options: Pick<RoutesOptions, 'checkReadiness' | 'isDraining' | 'version'>,
): void {
  const { checkReadiness, isDraining, version } = options;

  app.get('/health', (context) => context.text('ok', 200, NOT_CACHED));

  app.get('/ready', async (context) => {
    const answer = await answerReady(checkReadiness, isDraining());
    return isProblem(answer) ? problem(answer) : context.json({ status: 'ready', checks: answer }, 200, NOT_CACHED);
  });

  app.get('/version', (context) => context.json(version));
}

function addAnalyticsRoute(app: Hono, { analytics, streams, metrics }: RoutesOptions): void {
  const sendText = createSendText();
  app.get('/analytics', async (context) => {
    const csv = prefersCsv(context.req.header('accept'));
    const answer = await answerAnalytics(analytics, context.req.queries(), { streams, csv });
    if (isProblem(answer)) return problem(answer);
    const { text, type } = answer;
    const headers = { 'Content-Type': type, Vary: 'Accept, Accept-Encoding' };
    const { incoming } = context.env as HttpBindings;
    // HEAD comes here too. Nobody would read its body, nor close the text.
    if (incoming.method === 'HEAD') {
      await text.close();
      return context.body(null, 200, { ...headers, 'Content-Length': String(text.bytes) });
    }
    const sent = await sendText(text, { gzip: takesGzip(context.req.header('accept-encoding')) });
    if (sent !== undefined) return context.body(sent.body, 200, { ...headers, ...sent.headers });
    metrics.analyticsRefused.inc();
    return problem(BUSY);
  });
}

function addDocsRoutes(app: Hono, { version, auth }: RoutesOptions): void {
  const document = openApiDocument({ version: version.version, auth });
  const documentText = JSON.stringify(document, undefined, 2);
  app.get('/openapi.json', (context) => context.body(documentText, 200, { 'Content-Type': 'application/json' }));
  const docs = docsPage(document);
  app.get('/docs', (context) => context.html(docs.html, 200, pageHeaders(docs.policy)));
}

/** An UnavailableError is a plain warning with its cause. Any other error is a defect, logged with its stack. */
export function answerError(error: Error, context: Context, { log }: Pick<RoutesOptions, 'log'>): Response {
  const { outgoing } = context.env as HttpBindings;
  const about = { route: context.req.routePath, requestId: outgoing.getHeader('x-request-id') };
  if (error instanceof UnavailableError) {
    log.warn('cannot answer a request now', { ...about, reason: error.message });
    return problem({
      kind: 'unavailable',
      detail: hidePaths(error.message),
      headers: retryAfter(error.retryAfterSeconds),
    });
  }
  log.error('cannot answer a request', { ...about, err: error });
  return problem({ kind: 'unavailable', detail: 'internal error', headers: retryAfter(1) });
}

/** A problem as a Response. The id of the request is added where the response is sent. */
export function problem(problem: Problem): Response {
  const headers = new Headers({ 'Content-Type': PROBLEM_TYPE });
  const { headers: pairs = [] } = problem;
  for (let at = 0; at < pairs.length; at += 2) headers.set(pairs[at] ?? '', pairs[at + 1] ?? '');
  return new Response(problemBody(problem), { status: problemStatus(problem.kind), headers });
}

function pageHeaders(policy: string) {
  return {
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  };
}

const NOT_CACHED = { 'Cache-Control': 'no-store' };

function isProblem(answer: object): answer is Problem {
  return 'kind' in answer && 'detail' in answer && typeof answer.kind === 'string';
}

function methodNotAllowed({ req }: Context, allow: string): Problem {
  const detail = `method ${req.method} is not allowed on ${req.path}; allowed: ${allow}`;
  return { kind: 'method-not-allowed', detail, headers: ['Allow', allow] };
}
