import type { IncomingHttpHeaders } from 'node:http';
import type { Authenticate } from '../auth.ts';
import { type Problem, retryAfter } from '../problem.ts';
import { clientNetwork } from './client-network.ts';
import { DRAINING } from './ingest-problem.ts';
import type { TakeToken } from './rate-limit.ts';

export interface AdmitContext {
  readonly authenticate: Authenticate | undefined;
  readonly takeToken: TakeToken | undefined;
  readonly isDraining: () => boolean;
}

/** Whether a client may send now: undefined for a request that is admitted. */
export function admit(
  { authenticate, takeToken, isDraining }: AdmitContext,
  request: { readonly headers: IncomingHttpHeaders; readonly remoteAddress: string | undefined },
): Problem | undefined {
  if (isDraining()) return DRAINING;
  const key = authenticate?.check(request, 'send');
  if (typeof key === 'object') return key;
  if (takeToken === undefined) return undefined;
  const client = key === undefined ? clientNetwork(request.remoteAddress ?? '') : String(key);
  const waitSeconds = takeToken(client);
  if (waitSeconds === 0) return undefined;
  const who = key === undefined ? `from ${client}` : 'with this API key';
  const detail = `too many requests ${who} (server.rateLimit); nothing was stored`;
  return { kind: 'rate-limited', detail, headers: retryAfter(waitSeconds) };
}
