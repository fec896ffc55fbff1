import type { IncomingHttpHeaders } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Aggregate } from '../../analytics/analytics.ts';
import type { Authenticate } from '../auth.ts';
import type { Problem } from '../problem.ts';

export const ADMIN_ROUTES = ['/admin/aggregate'] as const;

const FORBIDDEN: Problem = {
  kind: 'forbidden',
  detail: 'POST /admin/aggregate needs an API key, and auth.enabled is false',
};

const CROSS_SITE: Problem = {
  kind: 'forbidden',
  detail: 'POST /admin/aggregate is refused to web pages of other sites',
};

/** Whether a browser sends this for a page of another site. */
export function isCrossSite({ host, origin, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  if (site === 'cross-site' || site === 'same-site') return true;
  return origin !== undefined && URL.parse(origin)?.host !== host?.toLowerCase();
}

/** Routes that make the service do something. They always need a key: without auth they are refused. */
export function addAdminRoutes(
  app: Hono,
  options: {
    readonly aggregate: Aggregate;
    readonly authenticate: Authenticate | undefined;
    readonly answerProblem: (problem: Problem) => Response;
  },
): void {
  const { aggregate, authenticate, answerProblem } = options;
  app.post('/admin/aggregate', async (context) => {
    if (authenticate === undefined) return answerProblem(FORBIDDEN);
    // The request of node:http, which the node server of hono hands in.
    const { incoming } = context.env as HttpBindings;
    const { headers, socket } = incoming;
    if (isCrossSite(headers)) return answerProblem(CROSS_SITE);
    const key = authenticate.check({ headers, remoteAddress: socket.remoteAddress });
    if (typeof key === 'object') return answerProblem(key);
    return context.json(await aggregate(), 200, { 'Cache-Control': 'no-store' });
  });
}
