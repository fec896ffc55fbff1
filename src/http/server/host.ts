import type { IncomingMessage } from 'node:http';
import type { HttpServerOptions } from '../http.ts';
import type { Problem } from '../problem.ts';

/** RFC 9110, 7.2: the host of an http URI, which is not empty, and a port. A comma would be a second Host. */
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(?::\d{0,5})?$/;
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/;

/** Paths that a load balancer, a scraper or a sender asks for by any name. Their answers tell a web page nothing. */
const BY_ANY_NAME: ReadonlySet<string> = new Set(['/health', '/ready', '/metrics', '/ruok']);

export function isHost(value: string): boolean {
  return HOST.test(value);
}

/**
 * What is wrong with the Host of a request (RFC 9112, 3.2: HTTP/1.0 needs none, and nothing may have two), or with its
 * Content-Type, of which Node.js would take the first.
 */
export function headFault({ headers, rawHeaders, httpVersionMinor }: IncomingMessage): Problem | undefined {
  const { host } = headers;
  if (headers['content-type'] !== undefined && countOf('content-type', rawHeaders) > 1)
    return { kind: 'bad-request', detail: 'the request has more than one Content-Type header' };
  if (host === undefined && httpVersionMinor === 0) return undefined;
  if (host === undefined) return { kind: 'bad-request', detail: 'the request has no Host header' };
  if (countOf('host', rawHeaders) > 1)
    return { kind: 'bad-request', detail: 'the request has more than one Host header' };
  return isHost(host) ? undefined : { kind: 'bad-request', detail: 'the Host header is not a host name or an address' };
}

/** How often a header was sent: names and values by turns. */
function countOf(name: string, rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const sent = rawHeaders[at];
    if (sent?.length === name.length && sent.toLowerCase() === name) count += 1;
  }
  return count;
}

/** Refuses a request by its path and Host; undefined where it is served. */
export type CheckHost = (path: string, host: string | undefined) => Problem | undefined;

/**
 * The names under which the page, its data and the admin routes are served: a web page of another site can give its own name
 * the address of this service (DNS rebinding), and its scripts could then read everything. Without `hosts` a service that
 * listens on a loopback address is served under loopback names, any other under every name.
 */
export function createHostCheck({
  hosts = [],
  host: address = '',
}: Pick<HttpServerOptions, 'hosts' | 'host'>): CheckHost {
  const allowed = new Set(hosts.map(nameOf));
  const isServed = (name: string): boolean =>
    allowed.size > 0 ? allowed.has(name) : !LOOPBACK.test(nameOf(address)) || LOOPBACK.test(name);
  return (path, host) => {
    if (host === undefined || BY_ANY_NAME.has(path)) return undefined;
    const name = nameOf(host);
    if (isServed(name)) return undefined;
    return { kind: 'misdirected-request', detail: `host ${name} is not served here; add it to server.hosts` };
  };
}

/** Without the port and the dot of the root, in lower case. */
function nameOf(host: string): string {
  const name = host.startsWith('[') ? host.replace(/\]:\d*$/, ']') : host.replace(/^([^:]*):\d*$/, '$1');
  return name.replace(/\.$/, '').toLowerCase();
}
