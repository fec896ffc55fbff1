import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { isCrossSite } from '../api/admin.ts';
import type { Authenticate } from '../auth.ts';
import type { Problem } from '../problem.ts';

const CROSS_SITE: Problem = {
  kind: 'forbidden',
  detail: 'web pages of other sites may not change the schema registry',
};

/** The answer to a request that may not change the registry: with auth it needs a key. Undefined where it may. */
export function createMayWrite(
  authenticate: Authenticate | undefined,
  answerProblem: (problem: Problem) => Response,
): (context: Context) => Response | undefined {
  return (context) => {
    // The request of node:http, which the node server of hono hands in.
    const { incoming } = context.env as HttpBindings;
    const { headers, socket } = incoming;
    if (isCrossSite(headers)) return answerProblem(CROSS_SITE);
    const key = authenticate?.check({ headers, remoteAddress: socket.remoteAddress });
    return typeof key === 'object' ? answerProblem(key) : undefined;
  };
}
