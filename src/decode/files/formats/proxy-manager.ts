import { unescapeLog } from '../unescape.ts';
import { orDash, present, readBytes, readStatus } from './field-values.ts';
import { LineCursor, quoteFollows } from './line-cursor.ts';
import type { RequestFields } from './request-target.ts';
import { malformed } from './request-target.ts';
import { createTextFormat } from './text-format.ts';

/*
 * nginx-proxy-manager: "proxy" of its proxy hosts, "standard" of its other hosts without the first two and Sent-to:
 *
 *   [time] cache upstream_status status - method scheme host "target" [Client a] [Length n] [Gzip r] [Sent-to s] "agent" "referrer"
 *
 * An upstream status may be a list with blanks. Source: its docker/rootfs/etc/nginx/conf.d/include/log-proxy.conf.
 */
export const PROXY_MANAGER = createTextFormat('proxy-manager', function parseProxyManager(line, readTime) {
  const cursor = new LineCursor(line);
  const timestamp = readTime(cursor.enclosed('[', ']') ?? '');
  if (timestamp === undefined) return { reason: 'not a line of nginx-proxy-manager: no time in brackets at its start' };
  const head = (cursor.before('"') ?? '').split(' ').filter((word) => word !== '');
  const [status, dash, method = '', scheme = '', host] = head.slice(-5);
  if (dash !== '-' || !/^https?$/.test(scheme)) {
    return {
      reason: 'not a line of nginx-proxy-manager: expected a status, a dash, method, scheme and host before the target',
    };
  }
  const target = unescapeLog(cursor.quoted() ?? '');
  const labels = readLabels(cursor);
  const client = labels.get('Client');
  if (client === undefined) return { reason: 'not a line of nginx-proxy-manager: no [Client …] after the target' };
  return {
    timestamp,
    ...requestOf(method, target),
    userAgent: orDash(unescapeLog(cursor.quoted({ follows: quoteFollows }) ?? '')),
    client: present(client),
    host: present(host),
    status: readStatus(status),
    bytes: readBytes(labels.get('Length')),
    referrer: present(unescapeLog(cursor.quoted() ?? '')),
    rest: cursor.rest(),
  };
});

/** nginx has no method and no target where it could not read the request. */
function requestOf(method: string, target: string): RequestFields {
  return present(method) === undefined || present(target) === undefined
    ? malformed(target)
    : { path: target.trim(), method };
}

/** `[Client 192.0.2.1] [Length 192]`, with whatever labels a version has. */
function readLabels(cursor: LineCursor): Map<string, string> {
  const labels = new Map<string, string>();
  for (let label = cursor.enclosed('[', ']'); label !== undefined; label = cursor.enclosed('[', ']')) {
    const nameEnd = label.indexOf(' ');
    if (nameEnd > 0) labels.set(label.slice(0, nameEnd), label.slice(nameEnd + 1));
  }
  return labels;
}
