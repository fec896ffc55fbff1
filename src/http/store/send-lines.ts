import type { ServerResponse } from 'node:http';
import type { LinePiece, LineRange, LineStore } from '../../model/line-store.ts';
import { type ReadingLimits, watchClient } from '../api/watch-client.ts';

/** Said after the last line: how many were sent, and how many numbers before the last of them no line has. */
const LINES = 'X-Lines';
const MISSING = 'X-Missing-Lines';
export const TRAILERS = `${LINES}, ${MISSING}`;

/**
 * Sends lines, each piece when the client has taken the one before, and resolves to how many were sent. A client that goes, or reads too
 * slowly, ends it. Rejects where the first piece cannot be read, with nothing sent; later the connection is cut, so that no client takes a
 * part for the whole.
 */
export async function sendLines(
  store: Pick<LineStore, 'read'>,
  range: LineRange,
  outgoing: ServerResponse,
  { headers, limits }: { readonly headers: Record<string, string>; readonly limits: ReadingLimits },
): Promise<number> {
  const client = watchClient(outgoing, limits);
  // HTTP/1.0 has no trailers.
  const hasTrailer = outgoing.req.httpVersion !== '1.0';
  const sent = { lines: 0, missing: 0 };
  for (let from: number | undefined = range.from; from !== undefined; ) {
    const piece: LinePiece | undefined = await readNext(store, { ...range, from }, outgoing);
    if (piece === undefined || client.isGone) return sent.lines;
    if (!outgoing.headersSent) outgoing.writeHead(200, { ...headers, ...(hasTrailer && { Trailer: TRAILERS }) });
    if (piece.bytes.length > 0 && !(await client.write(piece.bytes))) return sent.lines;
    sent.lines += piece.lines;
    sent.missing += piece.missing;
    from = piece.next;
  }
  if (hasTrailer) outgoing.addTrailers({ [LINES]: String(sent.lines), [MISSING]: String(sent.missing) });
  outgoing.end();
  return sent.lines;
}

/** Undefined when the connection was cut. */
async function readNext(
  store: Pick<LineStore, 'read'>,
  range: LineRange,
  outgoing: ServerResponse,
): Promise<LinePiece | undefined> {
  try {
    // An empty range has no piece.
    return range.from >= range.to
      ? { bytes: new Uint8Array(), lines: 0, missing: 0, next: undefined }
      : await store.read(range);
  } catch (error) {
    if (!outgoing.headersSent) throw error;
    outgoing.destroy();
    return undefined;
  }
}
