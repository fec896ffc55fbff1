import { randomUUID } from 'node:crypto';

/** The header by which clients of the line store know a request. Every answer has X-Request-Id beside it. */
export const GUID_HEADER = 'X-GUID';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The id of the request where that is a UUID, else a new one. */
export function guidOf(requestId: string): string {
  return UUID.test(requestId) ? requestId : randomUUID();
}
