import { isIPv6 } from 'node:net';
import { codeOf } from '../disk/missing.ts';
import type { Input, InputFlow } from './inputs.ts';
import { clearSocketPath, ownerOnly, setSocketMode } from './socket-path.ts';
import { createStreamServer, type StreamServerOptions } from './stream-server.ts';

/** What is left for the delivery of a stop's time, when connections are slow to end. */
const FLUSH_SHARE = 0.5;

/** An input of type `tcp`, `unixsock` or `syslog`. */
export function createStreamInput(options: StreamServerOptions & { readonly flow: InputFlow }): Input {
  const { name, listen, flow } = options;
  const server = createStreamServer(options);
  flow.onRoom = server.resume;
  let failure: unknown = new Error('it does not listen yet');

  async function open(): Promise<string> {
    if ('path' in listen) {
      await clearSocketPath(listen.path);
      await ownerOnly(() => server.listen());
      setSocketMode(listen.path);
      return listen.path;
    }
    const address = (await server.listen()).address();
    if (address === null || typeof address === 'string') throw new Error(`no address: ${address}`);
    return `${isIPv6(address.address) ? `[${address.address}]` : address.address}:${address.port}`;
  }

  return {
    name,
    async start() {
      try {
        const where = await open();
        failure = undefined;
        return where;
      } catch (error) {
        failure = explain(error, listen);
        throw failure;
      }
    },
    async stop(graceMs) {
      failure = new Error('it is stopping');
      const deadline = performance.now() + graceMs;
      await server.stop(graceMs * FLUSH_SHARE);
      await flow.flush(deadline - performance.now());
    },
    async check() {
      if (failure !== undefined) throw failure;
    },
  };
}

function explain(error: unknown, listen: StreamServerOptions['listen']): unknown {
  const where = 'path' in listen ? `path=${listen.path}` : `addr=${listen.host ?? ''}:${listen.port}`;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another process listens there; choose another address, or stop it',
    EACCES: 'the user that logforge runs as may not listen there',
    EADDRNOTAVAIL: 'no network interface has this address',
    EINVAL: 'the path is longer than a socket may have (107 bytes)',
  };
  const reason = reasons[String(codeOf(error))];
  return reason === undefined ? error : new Error(`cannot listen on ${where}: ${reason}`, { cause: error });
}
