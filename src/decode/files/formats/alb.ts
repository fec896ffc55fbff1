import { withoutPort } from '../client-address.ts';
import type { AccessFields } from '../line-format.ts';
import type { ReadTime } from '../log-time.ts';
import { splitRequest } from '../request-line.ts';
import { unescapeLog } from '../unescape.ts';
import { orDash, readBytes, readStatus, roundSeconds, shown } from './field-values.ts';
import { LineCursor, quoteFollows, wordsFollow } from './line-cursor.ts';
import { splitTarget } from './request-target.ts';
import { createTextFormat, type Unread } from './text-format.ts';

/*
 * Access logs of AWS load balancers. An application load balancer writes
 *
 *   type time elb client:port target:port request_time target_time response_time elb_status target_status received sent "request" "agent"
 *   ssl_cipher ssl_protocol target_group "trace_id" "domain" "certificate" … (more with the years)
 *
 * and a classic one the same without the type, and without what comes after the TLS protocol; before 2015 without the agent, too.
 * Sources: "Access logs for your Application Load Balancer" and "… Classic Load Balancer" of the AWS documentation.
 */
const TYPES: readonly string[] = ['http', 'https', 'h2', 'grpcs', 'ws', 'wss'];
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d/;
/** A connection of a TCP listener has no request. */
const NO_REQUEST = '- - -';

export const ALB = createTextFormat('alb', function parseAlb(line, readTime) {
  const cursor = new LineCursor(line);
  const type = cursor.word();
  if (!TYPES.includes(type))
    return { reason: `not a line of an ALB: expected a type such as https, found ${shown(type)}` };
  return parseFields(cursor, readTime);
});

export const ELB = createTextFormat('elb', function parseElb(line, readTime) {
  return parseFields(new LineCursor(line), readTime);
});

function parseFields(cursor: LineCursor, readTime: ReadTime): AccessFields | Unread {
  const time = cursor.word();
  const timestamp = DATE_TIME.test(time) ? readTime(time) : undefined;
  if (timestamp === undefined) return { reason: `not a line of a load balancer: invalid time ${shown(time)}` };
  cursor.word(); // Name of the load balancer.
  const client = cursor.word();
  cursor.word(); // Target.
  const times = [cursor.word(), cursor.word(), cursor.word()];
  if (!times.every(isTime)) return { reason: `not a line of a load balancer: invalid times ${shown(times.join(' '))}` };
  const status = cursor.word();
  cursor.word(); // Status of the target.
  cursor.word(); // Bytes received.
  const bytes = cursor.word();
  const request = cursor.quoted({ follows: quoteFollows });
  if (request === undefined) return { reason: `no request in quotes after the bytes: found ${shown(cursor.word())}` };
  if (request.trim() === NO_REQUEST && readStatus(status) === undefined) {
    return { reason: 'a TCP connection, which has no HTTP request', isKnown: true };
  }
  const parts = splitRequest(unescapeLog(request));
  return {
    timestamp,
    ...parts,
    ...('malformed' in parts ? {} : splitTarget(parts.path)),
    userAgent: orDash(unescapeLog(cursor.quoted({ follows: wordsFollow }) ?? '')),
    client: withoutPort(client, 'always'),
    status: readStatus(status),
    bytes: readBytes(bytes),
    duration: sumOf(times),
  };
}

/** Seconds, or -1 where the request did not come so far. */
function isTime(text: string): boolean {
  return /^(?:-1|-|\d{1,9}(?:\.\d{1,12})?)$/.test(text);
}

/** The whole of the three times; undefined where one is missing. */
function sumOf(times: readonly string[]): number | undefined {
  const seconds = times.map(Number);
  return seconds.every((part) => part >= 0) ? roundSeconds(seconds.reduce((sum, part) => sum + part, 0)) : undefined;
}
