import type { Hono } from 'hono';
import type { Aggregate } from '../../analytics/analytics.ts';
import type { HttpAuth } from '../auth.ts';
import type { Problem } from '../problem.ts';

export const ADMIN_ROUTES = ['/admin/aggregate'] as const;

const FORBIDDEN: Problem = {
  kind: 'forbidden',
  detail: 'POST /admin/aggregate needs an API key, and auth.enabled is false',
};

/** Routes that make the service do something. They always need a key: without auth they are refused. */
export function addAdminRoutes(
  app: Hono,
  options: {
    readonly aggregate: Aggregate;
    readonly auth: Pick<HttpAuth, 'enabled'>;
    readonly answerProblem: (problem: Problem) => Response;
  },
): void {
  const { aggregate, auth, answerProblem } = options;
  app.post('/admin/aggregate', async (context) => {
    if (!auth.enabled) return answerProblem(FORBIDDEN);
    return context.json(await aggregate(), 200, { 'Cache-Control': 'no-store' });
  });
}
