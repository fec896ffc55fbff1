import type { ServerResponse } from 'node:http';
import type { FoundLog, LineStore } from '../../model/line-store.ts';
import { type ReadingLimits, watchClient } from '../api/watch-client.ts';

/**
 * Sends the logs that there are, `{"files":[{"host","file","lines","last"}…]}`, a page at a time, as the client takes them. Rejects where
 * the first page cannot be read, with nothing sent; later the connection is cut.
 */
export async function sendLogList(
  store: Pick<LineStore, 'list'>,
  outgoing: ServerResponse,
  { headers, limits }: { readonly headers: Record<string, string>; readonly limits: ReadingLimits },
): Promise<void> {
  const client = watchClient(outgoing, limits);
  let page = await store.list(undefined);
  if (client.isGone) return;
  outgoing.writeHead(200, headers);
  let text = '{"files":[';
  while (page.length > 0) {
    text += page.map(describeLog).join(',');
    if (!(await client.write(Buffer.from(text)))) return;
    const next = await store.list(page.at(-1)).catch(() => undefined);
    if (next === undefined) {
      outgoing.destroy();
      return;
    }
    page = next;
    text = page.length > 0 ? ',' : '';
  }
  outgoing.end(`${text}]}`);
}

function describeLog({ host, file, generation, lines, last }: FoundLog): string {
  return JSON.stringify({ host, file, ...(generation !== '' && { generation }), lines, last });
}
