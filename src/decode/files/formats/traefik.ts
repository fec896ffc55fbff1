import { splitRequest } from '../request-line.ts';
import { orDash, present, readBytes, readDuration, readStatus } from './field-values.ts';
import { LineCursor, numberFollows, quoteFollows, statusFollows } from './line-cursor.ts';
import { createTextFormat } from './text-format.ts';

/*
 * Traefik's "common" format: the combined format with four fields after it. It writes texts as they are, quotes included.
 *
 *   client - user [time] "request" status bytes "referrer" "agent" number "router" "server URL" 12ms
 *
 * Source: "Access Logs", Common Log Format, of the Traefik documentation.
 */
export const TRAEFIK = createTextFormat('traefik', function parseTraefik(line, readTime) {
  const end = line.trimEnd();
  const unit = 'ms';
  const duration = end.endsWith(unit)
    ? readDuration(end.slice(end.lastIndexOf(' ') + 1, -unit.length), 1_000)
    : undefined;
  if (duration === undefined) return { reason: 'not a line of Traefik: no duration such as 12ms at its end' };
  const cursor = new LineCursor(end);
  const client = cursor.word();
  cursor.word(); // Identity, always a dash.
  const user = cursor.before('[');
  const timestamp = readTime(cursor.enclosed('[', ']') ?? '');
  if (timestamp === undefined) return { reason: 'not a line of Traefik: no time in brackets' };
  const request = cursor.quoted({ raw: true, follows: statusFollows });
  const [status, bytes] = [cursor.word(), cursor.word()];
  const referrer = cursor.quoted({ raw: true, follows: quoteFollows });
  const userAgent = cursor.quoted({ raw: true, follows: numberFollows });
  if (request === undefined || userAgent === undefined || !/^\d+$/.test(cursor.word())) {
    return { reason: 'not a line of Traefik: no number of the request after the user agent' };
  }
  return {
    timestamp,
    ...splitRequest(request),
    userAgent: orDash(userAgent),
    client: present(client),
    user: present(user),
    status: readStatus(status),
    bytes: readBytes(bytes),
    referrer: present(referrer),
    duration,
  };
});
