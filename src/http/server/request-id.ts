import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

const GIVEN_ID = /^[A-Za-z0-9._:/+=@-]{1,128}$/;
const TRACE_PARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:$|-)/;

export type RequestId = (headers: IncomingHttpHeaders) => string;

/**
 * The id of each request: its X-Request-Id when that is 1–128 plain characters, else the trace-id of its traceparent (W3C
 * Trace Context), else a random prefix of this server and a counter.
 */
export function createRequestIds(prefix = randomBytes(4).toString('hex')): RequestId {
  let made = 0;
  return (headers) => {
    const given = headers['x-request-id'];
    if (typeof given === 'string' && GIVEN_ID.test(given)) return given;
    const trace = headers.traceparent;
    const traceId = typeof trace === 'string' ? TRACE_PARENT.exec(trace)?.[1] : undefined;
    return traceId ?? `${prefix}-${(made++).toString(36)}`;
  };
}
