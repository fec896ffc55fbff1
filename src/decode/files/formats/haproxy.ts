import { withoutPort } from '../client-address.ts';
import { splitRequest } from '../request-line.ts';
import { present, readBytes, readDuration, readStatus, shown } from './field-values.ts';
import { LineCursor } from './line-cursor.ts';
import { splitTarget } from './request-target.ts';
import { createTextFormat } from './text-format.ts';

/*
 * HAProxy, `option httplog` and `option httpslog`, after the prefix of syslog:
 *
 *   client:port [accept date] frontend[~] backend/server Tq/Tw/Tc/Tr/Tt status bytes cookie cookie state
 *   actconn/feconn/beconn/srv_conn/retries srv_queue/backend_queue [{request headers}] [{response headers}] "request" [TLS]
 *
 * The accept date has no zone. Times are milliseconds; with `option logasap` a plus stands before the last one and the bytes.
 * Source: the Configuration Manual, 8.2.3 "HTTP log format", 8.2.5 "HTTPS log format".
 */
const HTTP_TIMES = /^(?:-?\d{1,12}\/){4}\+?-?\d{1,12}$/;
const TCP_TIMES = /^(?:-?\d{1,12}\/){2}\+?-?\d{1,12}$/;
const COUNTS = /^\d{1,9}(?:\/\+?\d{1,9}){4}$/;

export const HAPROXY = createTextFormat('haproxy', function parseHaproxy(line, readTime) {
  const cursor = new LineCursor(line);
  const client = cursor.word();
  const time = cursor.enclosed('[', ']');
  const timestamp = time === undefined ? undefined : readTime(time);
  if (timestamp === undefined)
    return { reason: `not a line of HAProxy: no accept date in brackets after ${shown(client)}` };
  cursor.word(); // Frontend.
  const server = cursor.word();
  const times = cursor.word();
  if (!server.includes('/'))
    return { reason: `not a line of HAProxy: expected backend/server, found ${shown(server)}` };
  if (TCP_TIMES.test(times)) return { reason: 'a TCP connection (tcplog), which has no HTTP request', isKnown: true };
  if (!HTTP_TIMES.test(times))
    return { reason: `not a line of HAProxy: expected five times as 0/0/0/1/2, found ${shown(times)}` };
  const [status, bytes] = [cursor.word(), cursor.word()];
  for (let i = 0; i < 3; i++) cursor.word(); // Cookies of request and response, state.
  const counts = cursor.word();
  if (!COUNTS.test(counts))
    return { reason: `expected five counts of connections as 1/1/1/1/0, found ${shown(counts)}` };
  cursor.word(); // Queues.
  const headers = readHeaders(cursor);
  const request = cursor.quoted({ raw: true });
  if (request === undefined) return { reason: `no request in quotes after the queues: found ${shown(cursor.word())}` };
  const parts = splitRequest(request);
  // HTTP/2 has no form without the host, so it is no part of what was asked for.
  const target = 'protocol' in parts && /^HTTP\/[23]/.test(parts.protocol ?? '') ? splitTarget(parts.path) : {};
  return {
    timestamp,
    ...parts,
    ...target,
    userAgent: '-',
    client: present(withoutPort(client, 'always')),
    status: readStatus(status),
    bytes: readBytes(bytes),
    duration: readDuration(times.slice(times.lastIndexOf('/') + 1), 1_000),
    rest: [...headers, cursor.rest() ?? ''].filter((part) => part !== '').join(' ') || undefined,
  };
});

/** The captured headers, as they stand there. Their names are in HAProxy's configuration alone. */
function readHeaders(cursor: LineCursor): string[] {
  const headers: string[] = [];
  for (let found = cursor.enclosed('{', '}'); found !== undefined; found = cursor.enclosed('{', '}')) {
    if (found !== '') headers.push(`{${found}}`);
  }
  return headers;
}
