import type { HttpBindings } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Aggregate } from '../../analytics/analytics.ts';
import { type Authenticate, UNAUTHORIZED } from '../auth.ts';
import type { Problem } from '../problem.ts';

export const ADMIN_ROUTES = ['/admin/aggregate'] as const;

const FORBIDDEN: Problem = {
  kind: 'forbidden',
  detail: 'this is for holders of an API key, and auth.enabled is false',
};

/** What makes the service do something, for those who have a key: where nobody needs one, for nobody. */
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
    // What the node server hands in beside the request.
    const { incoming } = context.env as HttpBindings;
    if (authenticate(incoming.headers) === undefined) return answerProblem(UNAUTHORIZED);
    return context.json(await aggregate(), 200, { 'Cache-Control': 'no-store' });
  });
}
