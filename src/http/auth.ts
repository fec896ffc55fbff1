import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Problem } from './problem.ts';

export interface HttpAuth {
  readonly enabled: boolean;
  /** The header that carries the key. `Authorization: Bearer` is always accepted too. */
  readonly headerName: string;
  readonly keys: readonly string[];
}

const BEARER = /^bearer +([^ ]+) *$/i;

export interface Authenticate {
  /** The place of the request's key among the known ones, or undefined. Takes as long for a wrong key as for a right one. */
  find(headers: IncomingHttpHeaders): number | undefined;
  /** The answer to a request without a known key. */
  readonly problem: Problem;
}

/** undefined when no key is needed. */
export function createAuthenticate({ enabled, headerName, keys }: HttpAuth): Authenticate | undefined {
  if (!enabled) return undefined;
  const name = headerName.toLowerCase();
  const digests = keys.map(digest);

  const place = (key: string): number | undefined => {
    const given = digest(key);
    let found: number | undefined;
    for (const [place, known] of digests.entries()) if (timingSafeEqual(known, given)) found = place;
    return found;
  };

  return {
    find: (headers) => {
      const key = headers[name];
      const bearer = BEARER.exec(headers.authorization ?? '')?.[1];
      const byHeader = typeof key === 'string' ? place(key) : undefined;
      const byBearer = bearer === undefined ? undefined : place(bearer);
      return byHeader ?? byBearer;
    },
    problem: {
      kind: 'unauthorized',
      detail: `the request has no valid API key in ${headerName} or Authorization: Bearer`,
      headers: ['WWW-Authenticate', 'Bearer realm="logforge"'],
    },
  };
}

function digest(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}
