import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface Received {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Answers one request. `body`: reads the request to its end. */
export type Reply = (received: Received, response: ServerResponse) => void;

/** A server that answers as told, in turn; then as `byDefault`, which stores each key once and counts lines. */
export async function startScriptedService(byDefault?: Reply) {
  const requests: Received[] = [];
  const stored = new Map<string, Buffer>();
  const next: Reply[] = [];
  /** Sees a request before its body is read; true: it has answered. */
  let early: ((message: IncomingMessage, response: ServerResponse) => boolean) | undefined;

  const store: Reply = ({ headers, body }, response) => {
    const key = String(headers['idempotency-key']);
    const isKnown = stored.has(key);
    if (!isKnown) stored.set(key, body);
    response.writeHead(202, isKnown ? { 'Idempotency-Replayed': 'true' } : {});
    response.end(JSON.stringify({ accepted: linesOf(stored.get(key) ?? body).length }));
  };
  const server = createServer((message, response) => {
    if (early?.(message, response)) return;
    buffer(message).then(
      (body) => {
        const received = { url: message.url ?? '', headers: message.headers, body };
        requests.push(received);
        (next.shift() ?? byDefault ?? store)(received, response);
      },
      () => undefined,
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`http://127.0.0.1:${port}`),
    server,
    requests,
    store,
    /** Lines that were stored, in the order of the keys. */
    stored: () => [...stored.values()].flatMap(linesOf),
    keys: () => [...stored.keys()],
    replyNext: (...replies: readonly Reply[]) => void next.push(...replies),
    replyEarly(reply: typeof early) {
      early = reply;
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

export type ScriptedService = Awaited<ReturnType<typeof startScriptedService>>;

export function linesOf(body: Buffer): string[] {
  return body.toString().split('\n').slice(0, -1);
}

/** A problem as the service answers it. */
export function problem(status: number, kind: string, more: Readonly<Record<string, unknown>> = {}): Reply {
  return (_received, response) => {
    const body = { type: `urn:logforge:problem:${kind}`, title: kind, status, detail: `because ${kind}`, ...more };
    response.writeHead(status, { 'Content-Type': 'application/problem+json' }).end(JSON.stringify(body));
  };
}

export function reply(status: number, text = '', headers: Readonly<Record<string, string>> = {}): Reply {
  return (_received, response) => void response.writeHead(status, headers).end(text);
}
