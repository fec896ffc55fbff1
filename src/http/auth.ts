import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { KeyedClass } from './access.ts';
import { clientNetwork } from './logs/client-network.ts';
import type { TakeToken } from './logs/rate-limit.ts';
import { type Problem, retryAfter } from './problem.ts';

export interface HttpAuth {
  readonly enabled: boolean;
  /** The header that carries the key. `Authorization: Bearer` is always accepted too. */
  readonly headerName: string;
  /** Of those who may send. */
  readonly keys: readonly string[];
  /** Of those who may read. Empty: `keys`. */
  readonly readKeys: readonly string[];
  /** Of those who may use the admin routes. Empty: `keys`. */
  readonly adminKeys: readonly string[];
  /** Whether GET /metrics needs a key too. */
  readonly metrics: boolean;
}

/** Wrong keys that one client address may send: so many at once, and so many a minute. The next ones are answered 429. */
export const WRONG_KEYS = { burst: 30, requestsPerSecond: 10 / 60 } as const;

/** Of the SHA-256 of a key. */
const OWNER_BYTES = 8;
const WRONG_CLASS: Readonly<Record<KeyedClass, Problem>> = {
  send: { kind: 'forbidden', detail: 'this API key may not send records; use one of auth.keys' },
  read: { kind: 'forbidden', detail: 'this API key may not read; use one of auth.readKeys' },
  admin: { kind: 'forbidden', detail: 'this API key may not administer; use one of auth.adminKeys' },
};
const BEARER = /^bearer +([^ ]+) *$/i;

export interface Authenticate {
  /**
   * The place of the request's key among the known ones, or the answer to a request without a key of that class. Takes as long
   * for a wrong key as for a right one. A request with a right key always passes, whatever others send from its address.
   */
  check(request: KeyedRequest, access: KeyedClass): number | Problem;
  /** A short digest of the key that the request sends with: it stands for the key where the key itself must not be stored. */
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
  const { enabled, headerName, keys, readKeys, adminKeys } = auth;
  const { takeWrongKey, onRefused } = options;
  if (!enabled) return undefined;
  const name = headerName.toLowerCase();
  const known = createKeyRing({ send: keys, read: readKeys, admin: adminKeys });

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

  const bearerOf = ({ authorization = '' }: IncomingHttpHeaders) => BEARER.exec(authorization)?.[1];

  return {
    check: ({ headers, remoteAddress = '' }, access) => {
      const key = headers[name];
      const bearer = bearerOf(headers);
      const found = known.find(key, bearer, access);
      if (found !== undefined && known.has(found, access)) return found;
      if (found !== undefined) {
        // Nothing is guessed: the key is known.
        onRefused();
        return WRONG_CLASS[access];
      }
      if (key !== undefined || bearer !== undefined) return refuse(remoteAddress);
      // Without a key nothing is guessed: it was forgotten.
      onRefused();
      return unauthorized;
    },
    ownerOf: (headers) => {
      const found = known.find(headers[name], bearerOf(headers), 'send');
      return found === undefined ? undefined : known.owner(found);
    },
  };
}

/** The known keys, each with its classes. A key is named by its place. */
function createKeyRing(lists: Readonly<Record<KeyedClass, readonly string[]>>) {
  const keys = [...new Set([...lists.send, ...lists.read, ...lists.admin])];
  const holders = (access: KeyedClass) => (lists[access].length > 0 ? lists[access] : lists.send);
  const mayOf = (access: KeyedClass) => keys.map((key) => holders(access).includes(key));
  const may = { send: mayOf('send'), read: mayOf('read'), admin: mayOf('admin') };
  const digests = keys.map(digest);
  const owners = digests.map((known) => known.toString('hex', 0, OWNER_BYTES));
  const has = (place: number, access: KeyedClass) => may[access][place] === true;

  const place = (key: string): number | undefined => {
    const given = digest(key);
    let found: number | undefined;
    for (const [place, known] of digests.entries()) if (timingSafeEqual(known, given)) found = place;
    return found;
  };

  return {
    has,
    owner: (place: number) => owners[place],
    /** Of the two keys that a request may bring: one that has the class, else one that is known. */
    find(key: string | string[] | undefined, bearer: string | undefined, access: KeyedClass): number | undefined {
      const byHeader = typeof key === 'string' ? place(key) : undefined;
      const byBearer = bearer === undefined ? undefined : place(bearer);
      if (byHeader === undefined || byBearer === undefined || has(byHeader, access)) return byHeader ?? byBearer;
      return byBearer;
    },
  };
}

function digest(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}
