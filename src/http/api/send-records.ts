import type { ServerResponse } from 'node:http';
import { hourToIso } from '../../model/hour.ts';
import type { DamagedPart, FailedQuery, Records } from '../../query/query.ts';
import { type ReadingLimits, watchClient } from './watch-client.ts';

/**
 * The trailer of an answer that leaves out what cannot be read. As a header of the request it asks for the same in a last line, since a
 * page in a browser cannot read trailers.
 */
export const DAMAGED_TRAILER = 'X-Logforge-Damaged';
/** Parts that the trailer, or the last line, names. */
const NAMED_PARTS = 20;

/**
 * Sends the records of a query, each piece when the client has taken the one before, and closes the query when the client goes or reads too
 * slowly. A query that fails before its first piece is given back, with nothing sent; one that fails later cuts the connection, so that no
 * client takes a part for the whole. `endsWithDamage`: a last line, which is no record, names the parts that are left out, also where there
 * are none.
 */
export async function sendRecords(
  records: Records,
  id: number,
  outgoing: ServerResponse,
  {
    headers,
    limits,
    endsWithDamage = false,
  }: {
    readonly headers: Record<string, string>;
    readonly limits: ReadingLimits;
    readonly endsWithDamage?: boolean;
  },
): Promise<FailedQuery | undefined> {
  const client = watchClient(outgoing, limits);
  // Where the thread of the queries is gone, so is the query.
  const close = () => void records.close({ id, why: client.isSlow ? 'slow' : 'stopped' }).catch(() => undefined);
  // A client may have gone while the query was opened.
  if (client.isGone) close();
  else outgoing.once('close', close);
  // HTTP/1.0 has no trailers.
  const hasTrailer = outgoing.req.httpVersion !== '1.0';
  const damaged: DamagedPart[] = [];
  let moreDamaged = 0;
  for (let isFirst = true; ; isFirst = false) {
    const piece = client.isGone ? undefined : await records.next(id).catch(toFailed);
    if (client.isGone || piece === undefined) return undefined;
    if (piece.kind === 'failed') {
      if (isFirst) return piece;
      outgoing.destroy();
      return undefined;
    }
    if (isFirst) outgoing.writeHead(200, { ...headers, ...(hasTrailer && { Trailer: DAMAGED_TRAILER }) });
    damaged.push(...piece.damaged);
    moreDamaged += piece.moreDamaged;
    if (piece.bytes.length > 0 && !(await client.write(piece.bytes))) return undefined;
    if (piece.isLast) break;
  }
  if (damaged.length > 0 && hasTrailer) outgoing.addTrailers({ [DAMAGED_TRAILER]: describe(damaged, moreDamaged) });
  outgoing.end(endsWithDamage ? lineOf(damaged, moreDamaged) : undefined);
  return undefined;
}

/** Where the thread of the query, or of its data, cannot be asked. */
function toFailed(): FailedQuery {
  return { kind: 'failed', why: 'failed', detail: 'the query failed; the log of the service says why' };
}

/** `2; 2015-05-17T10:00:00Z offset=0 bytes=4096, …` */
function describe(damaged: readonly DamagedPart[], moreDamaged: number): string {
  const parts = damaged.map(({ hour, offset, bytes }) => `${hourToIso(hour)} offset=${offset} bytes=${bytes}`);
  const more = parts.length > NAMED_PARTS ? ', …' : '';
  return `${parts.length + moreDamaged}; ${parts.slice(0, NAMED_PARTS).join(', ')}${more.replace('…', '...')}`;
}

/** `{"damaged":{"parts":2,"places":[{"hour":"2015-05-17T10:00:00Z","offset":0,"bytes":4096},…]}}` */
function lineOf(damaged: readonly DamagedPart[], moreDamaged: number): string {
  const places = damaged
    .slice(0, NAMED_PARTS)
    .map(({ hour, offset, bytes }) => ({ hour: hourToIso(hour), offset, bytes }));
  return `${JSON.stringify({ damaged: { parts: damaged.length + moreDamaged, places } })}\n`;
}
