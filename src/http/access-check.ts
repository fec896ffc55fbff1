import type { IncomingHttpHeaders } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { Hono } from 'hono';
import { accessOf } from './access.ts';
import type { Authenticate, HttpAuth } from './auth.ts';
import type { Problem } from './problem.ts';

interface AccessCheckOptions {
  readonly auth: HttpAuth;
  readonly authenticate: Authenticate | undefined;
  readonly answerProblem: (problem: Problem) => Response;
  /** The path that a request's path stands for in the table of classes. Default: itself. */
  readonly pathOf?: (path: string) => string;
}

/** Before every route that is added later: whether it has a class, and whether the request may use it. */
export function addAccessCheck(app: Hono, options: AccessCheckOptions): void {
  const { auth, authenticate, answerProblem, pathOf = (path) => path } = options;
  app.use(async (context, next) => {
    const { incoming } = context.env as HttpBindings;
    const { headers, socket } = incoming;
    const { method, path } = context.req;
    const access = accessOf({ method, path: pathOf(path) }, auth);
    if (access === undefined) return context.notFound();
    if (access === 'admin' && isCrossSite(headers, 'encrypted' in socket && socket.encrypted === true)) {
      return answerProblem({ kind: 'forbidden', detail: `${method} ${path} is refused to web pages of other sites` });
    }
    if (access !== 'open') {
      const key = authenticate?.check({ headers, remoteAddress: socket.remoteAddress }, access);
      if (typeof key === 'object') return answerProblem(key);
    }
    return next();
  });
}

/**
 * Whether a browser sends this for a page of another site. A page that came by plain HTTP is one, where this connection is TLS: anybody on
 * the way may have written it. Without TLS here, a proxy in front may have it.
 */
function isCrossSite({ host, origin, 'sec-fetch-site': site }: IncomingHttpHeaders, isSecure: boolean): boolean {
  if (site === 'cross-site' || site === 'same-site') return true;
  if (origin === undefined) return false;
  const from = URL.parse(origin);
  return from?.host !== host?.toLowerCase() || (isSecure && from?.protocol !== 'https:');
}
