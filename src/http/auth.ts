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

/** The place of the key that lets a request in, or undefined. Takes as long for a wrong key as for a right one. */
export type Authenticate = (headers: IncomingHttpHeaders) => number | undefined;

export const UNAUTHORIZED: Problem = {
  kind: 'unauthorized',
  detail: 'the request has no API key, or one that is not known',
  headers: ['WWW-Authenticate', 'Bearer realm="logforge"'],
};

/** undefined when no key is needed. */
export function createAuthenticate({ enabled, headerName, keys }: HttpAuth): Authenticate | undefined {
  if (!enabled) return undefined;
  const name = headerName.toLowerCase();
  const digests = keys.map(digest);

  const find = (key: string): number | undefined => {
    const given = digest(key);
    let found: number | undefined;
    for (const [place, known] of digests.entries()) if (timingSafeEqual(known, given)) found = place;
    return found;
  };

  return (headers) => {
    const key = headers[name];
    const bearer = BEARER.exec(headers.authorization ?? '')?.[1];
    const byHeader = typeof key === 'string' ? find(key) : undefined;
    const byBearer = bearer === undefined ? undefined : find(bearer);
    return byHeader ?? byBearer;
  };
}

function digest(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}
