import type { Exchange } from './answer.ts';

/** One finished request, for the access log. */
export interface AccessEntry {
  readonly requestId: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly status: number;
  /** Milliseconds from the request line to the end of the answer. */
  readonly ms: number;
  /** The client left before it had the whole answer. */
  readonly aborted?: true;
}
export type LogAccess = (entry: AccessEntry) => void;

/** The status of a request whose client left before the answer, as nginx logs it. */
export const CLIENT_GONE = 499;

/** Logs an exchange when it ends: it was answered, or its client left. */
export function watchAccess(exchange: Exchange, logAccess: LogAccess): void {
  const { request, response, id, started } = exchange;
  const { method = '', url = '' } = request;
  const [path = ''] = url.split('?', 1);
  response.once('close', () => {
    logAccess({
      requestId: id,
      method,
      path,
      status: response.headersSent ? response.statusCode : CLIENT_GONE,
      ms: Math.round((performance.now() - started) * 10) / 10,
      // The end of the answer was never sent: the client had left.
      ...(response.writableFinished ? undefined : { aborted: true }),
    });
  });
}
