import type { LogAccess } from '../http.ts';
import type { Exchange } from './answer.ts';

/** The status of a request that nobody waited an answer for, as nginx has it in its logs. */
export const CLIENT_GONE = 499;

/** Tells of an exchange when it is over: answered, or its client gone. */
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
      // Its end was never sent: nobody was there any more.
      ...(response.writableFinished ? undefined : { aborted: true }),
    });
  });
}
