import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Problem } from './problem.ts';

export interface HttpAuth {
  readonly enabled: boolean;
  /** The header that carries the key. `Authorization: Bearer` is always accepted too. */
  readonly headerName: string;
  readonly keys: readonly string[];
}

/** Of the SHA-256 of a key. */
const OWNER_BYTES = 8;
const BEARER = /^bearer +([^ ]+) *$/i;

export interface Authenticate {
  /** The place of the request's key among the known ones, or undefined. Takes as long for a wrong key as for a right one. */
  find(headers: IncomingHttpHeaders): number | undefined;
  /** A short digest of the request's key: it stands for the key where the key itself must not be stored. */
  ownerOf(headers: IncomingHttpHeaders): string | undefined;
  /** The answer to a request without a known key. */
  readonly problem: Problem;
}

/** undefined when no key is needed. */
export function createAuthenticate({ enabled, headerName, keys }: HttpAuth): Authenticate | undefined {
  if (!enabled) return undefined;
  const name = headerName.toLowerCase();
  const digests = keys.map(digest);
  const owners = digests.map((known) => known.toString('hex', 0, OWNER_BYTES));

  const place = (key: string): number | undefined => {
    const given = digest(key);
    let found: number | undefined;
    for (const [place, known] of digests.entries()) if (timingSafeEqual(known, given)) found = place;
    return found;
  };

  const find = (headers: IncomingHttpHeaders): number | undefined => {
    const key = headers[name];
    const bearer = BEARER.exec(headers.authorization ?? '')?.[1];
    const byHeader = typeof key === 'string' ? place(key) : undefined;
    const byBearer = bearer === undefined ? undefined : place(bearer);
    return byHeader ?? byBearer;
  };

  return {
    find,
    ownerOf: (headers) => {
      const found = find(headers);
      return found === undefined ? undefined : owners[found];
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
