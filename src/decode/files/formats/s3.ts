import { splitRequest } from '../request-line.ts';
import { unescapeLog } from '../unescape.ts';
import { orDash, present, readBytes, readDuration, readStatus, shown } from './field-values.ts';
import { LineCursor, quoteFollows, statusFollows, wordsFollow } from './line-cursor.ts';
import { createTextFormat } from './text-format.ts';

/*
 * Server access logs of Amazon S3:
 *
 *   owner bucket [time] client requester request_id operation key "request" status error bytes object_size total_ms turn_around_ms
 *   "referrer" "agent" version_id host_id signature cipher authentication host tls access_point acl_required
 *
 * The key is in the request; what S3 does by itself (S3.EXPIRE.OBJECT, BATCH.DELETE.OBJECT) has none: then operation and key are kept. What AWS or
 * the bucket's owner appends is kept as it stands. Logs of some years end after the agent or the version.
 * Source: "Amazon S3 server access log format" of the AWS documentation.
 */
const OPERATION = /^(?:REST|SOAP|WEBSITE|BATCH|S3)\.[A-Z]/i;

export const S3 = createTextFormat('s3', function parseS3(line, readTime) {
  const cursor = new LineCursor(line);
  skipWords(cursor, 2); // Owner and bucket.
  const time = cursor.enclosed('[', ']');
  const timestamp = time === undefined ? undefined : readTime(time);
  if (timestamp === undefined) return { reason: `not a line of S3: no time in brackets after owner and bucket` };
  const [client, requester] = [cursor.word(), cursor.word()];
  skipWords(cursor, 1); // Id of the request.
  const operation = cursor.word();
  if (!OPERATION.test(operation)) {
    return { reason: `not a line of S3: expected an operation such as REST.GET.OBJECT, found ${shown(operation)}` };
  }
  const key = cursor.word();
  const request = unescapeLog(cursor.quotedOrWord({ follows: statusFollows }));
  const status = cursor.word();
  skipWords(cursor, 1); // Error code.
  const bytes = cursor.word();
  skipWords(cursor, 1); // Size of the object.
  const total = cursor.word();
  skipWords(cursor, 1); // Turn-around time.
  const referrer = present(unescapeLog(cursor.quotedOrWord({ follows: quoteFollows })));
  const userAgent = orDash(unescapeLog(cursor.quotedOrWord({ follows: wordsFollow })));
  skipWords(cursor, 5); // Version, host id, signature, cipher, authentication.
  const host = present(cursor.word());
  skipWords(cursor, 3); // TLS, access point, acl required.
  const parts = splitRequest(request);
  return {
    timestamp,
    ...parts,
    userAgent,
    client: present(client),
    user: present(requester),
    host,
    status: readStatus(status),
    bytes: readBytes(bytes),
    referrer,
    duration: readDuration(total, 1_000),
    rest: parts.path === '-' ? [operation, present(key), cursor.rest()].filter(Boolean).join(' ') : cursor.rest(),
  };
});

function skipWords(cursor: LineCursor, count: number): void {
  for (let i = 0; i < count; i++) cursor.word();
}
