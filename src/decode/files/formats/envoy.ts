import { splitRequest } from '../request-line.ts';
import { orDash, present, readBytes, readDuration, readStatus } from './field-values.ts';
import { LineCursor, quoteFollows, statusFollows } from './line-cursor.ts';
import { createTextFormat } from './text-format.ts';

/*
 * Envoy's default format, and that of Istio, which has fields between and after. Texts are written as they are, quotes included.
 *
 *   [time] "request" status flags … received sent duration_ms upstream_ms "forwarded for" "agent" "request id" "authority" "upstream" …
 *
 * Source: "Default format string" of Envoy's documentation; "Envoy Access Logs" of Istio's.
 */
const ISO_TIME = /^\d{4}-\d\d-\d\dT/;
/** The fields of numbers before the first quoted one after the request: received, sent, duration, upstream. */
const NUMBERS: readonly RegExp[] = [/^\d{1,15}$/, /^\d{1,15}$/, /^(?:\d{1,15}|-)$/, /^(?:\d{1,15}|-)$/];
/** Between the request and these numbers; Istio has six. */
const MAX_FIELDS_BETWEEN = 12;
const NO_REQUEST = '- - -';

export const ENVOY = createTextFormat('envoy', function parseEnvoy(line, readTime) {
  const cursor = new LineCursor(line);
  const time = cursor.enclosed('[', ']') ?? '';
  const timestamp = ISO_TIME.test(time) ? readTime(time) : undefined;
  if (timestamp === undefined)
    return { reason: 'not a line of Envoy: no time such as [2016-04-15T20:17:00.310Z] at its start' };
  const request = cursor.quoted({ raw: true, follows: statusFollows });
  const status = cursor.word();
  const numbers = readNumbers(cursor);
  if (request === undefined || numbers === undefined) {
    return { reason: 'not a line of Envoy: no bytes, durations and a field in quotes after the request' };
  }
  if (request.trim() === NO_REQUEST && readStatus(status) === undefined) {
    return { reason: 'a TCP connection, which has no HTTP request', isKnown: true };
  }
  const [, sent, duration] = numbers;
  const forwardedFor = cursor.quoted({ raw: true, follows: quoteFollows });
  const userAgent = cursor.quoted({ raw: true, follows: quoteFollows });
  cursor.quoted({ raw: true }); // Id of the request.
  const host = cursor.quoted({ raw: true });
  cursor.quoted({ raw: true }); // Upstream.
  return {
    timestamp,
    ...splitRequest(request),
    userAgent: orDash(userAgent),
    client: present(forwardedFor?.split(',', 1)[0]),
    host: present(host),
    status: readStatus(status),
    bytes: readBytes(sent),
    duration: readDuration(duration, 1_000),
    rest: cursor.rest(),
  };
});

/** The four fields before the quoted one that follows them; undefined where there are none. */
function readNumbers(cursor: LineCursor): readonly string[] | undefined {
  const fields: string[] = [];
  while (fields.length <= MAX_FIELDS_BETWEEN + NUMBERS.length) {
    const next = cursor.peek();
    if (next === '') return undefined;
    const last = fields.slice(-NUMBERS.length);
    if (next === '"' && last.length === NUMBERS.length && NUMBERS.every((form, i) => form.test(last[i] ?? '')))
      return last;
    fields.push(cursor.quotedOrWord({ raw: true }));
  }
  return undefined;
}
