import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { clientNetwork } from './logs/client-network.ts';
import type { TakeToken } from './logs/rate-limit.ts';
import { type Problem, retryAfter } from './problem.ts';

export interface HttpAuth {
  readonly enabled: boolean;
  /** The header that carries the key. `Authorization: Bearer` is always accepted too. */
  readonly headerName: string;
  readonly keys: readonly string[];
}

/** Wrong keys that one client address may send: so many at once, and so many a minute. The next ones are answered 429. */
export const WRONG_KEYS = { burst: 30, requestsPerSecond: 10 / 60 } as const;

/** Of the SHA-256 of a key. */
const OWNER_BYTES = 8;
const BEARER = /^bearer +([^ ]+) *$/i;

export interface Authenticate {
  /**
   * The place of the request's key among the known ones, or the answer to a request without a known key. Takes as long for a
   * wrong key as for a right one. A request with a right key always passes, whatever others send from its address.
   */
  check(request: KeyedRequest): number | Problem;
  /** A short digest of the request's key: it stands for the key where the key itself must not be stored. */
  ownerOf(headers: IncomingHttpHeaders): string | undefined;
}

export interface KeyedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string | undefined;
}

export interface AuthenticateOptions {
  /** Counts one wrong key of a client address. See WRONG_KEYS. */
  readonly takeWrongKey: TakeToken;
  /** Called for each request without a valid key. `client`: the address that sends too many wrong ones. */
  readonly onRefused: (client?: string) => void;
}

/** undefined when no key is needed. */
export function createAuthenticate(auth: HttpAuth, options: AuthenticateOptions): Authenticate | undefined {
  const { enabled, headerName, keys } = auth;
  const { takeWrongKey, onRefused } = options;
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

  const unauthorized: Problem = {
    kind: 'unauthorized',
    detail: `the request has no valid API key in ${headerName} or Authorization: Bearer`,
    headers: ['WWW-Authenticate', 'Bearer realm="logforge"'],
  };

  const refuse = (address: string): Problem => {
    const client = clientNetwork(address);
    const waitSeconds = takeWrongKey(client);
    if (waitSeconds === 0) {
      onRefused();
      return unauthorized;
    }
    onRefused(client);
    const detail = `too many requests with a wrong API key from ${client}; those with a valid key are answered`;
    return { kind: 'rate-limited', detail, headers: retryAfter(waitSeconds) };
  };

  const find = (key: string | string[] | undefined, bearer: string | undefined): number | undefined => {
    const byHeader = typeof key === 'string' ? place(key) : undefined;
    const byBearer = bearer === undefined ? undefined : place(bearer);
    return byHeader ?? byBearer;
  };
  const bearerOf = ({ authorization = '' }: IncomingHttpHeaders) => BEARER.exec(authorization)?.[1];

  return {
    check: ({ headers, remoteAddress = '' }) => {
      const key = headers[name];
      const bearer = bearerOf(headers);
      const found = find(key, bearer);
      if (found !== undefined) return found;
      if (key !== undefined || bearer !== undefined) return refuse(remoteAddress);
      // Without a key nothing is guessed: it was forgotten.
      onRefused();
      return unauthorized;
    },
    ownerOf: (headers) => {
      const found = find(headers[name], bearerOf(headers));
      return found === undefined ? undefined : owners[found];
    },
  };
}

function digest(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}
