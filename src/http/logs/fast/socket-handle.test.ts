import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Server as NetServer, Socket, createServer as serveTcp } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { handleOf, type SocketHandle } from '../../../runtime/socket-handle.ts';
import { BODY, postBytes } from '../../contract/contract-fixture.case.ts';
import { connectRaw } from '../../contract/raw-client.case.ts';
import { createFastPath } from './fast-path.ts';

async function listen(server: NetServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

describe('handleOf', () => {
  test('finds the handle of an accepted socket of this Node.js', async () => {
    const accepted = Promise.withResolvers<Socket>();
    const port = await listen(serveTcp(accepted.resolve));
    const client = connect(port, '127.0.0.1');
    const socket = await accepted.promise;
    onTestFinished(() => {
      client.destroy();
      socket.destroy();
    });
    expect(handleOf(socket)).toMatchObject({ readStart: expect.any(Function), useUserBuffer: expect.any(Function) });
  });

  const call = () => 0;
  test.each([
    ['none', null],
    ['another kind of value', 7],
    ['no useUserBuffer', { readStart: call, readStop: call }],
    ['a readStop that is no function', { readStart: call, readStop: true, useUserBuffer: call }],
  ])('finds none where Node.js has %s', (_, handle) => {
    expect(handleOf(Object.assign(new Socket(), { _handle: handle }))).toBeUndefined();
  });

  test('finds none in a socket without the property', () => {
    expect(handleOf({} as Socket)).toBeUndefined();
  });
});

describe('a connection without a usable handle', () => {
  async function start(find: (socket: Socket) => SocketHandle | undefined) {
    const served = { fast: 0, node: 0 };
    const warnings: string[] = [];
    const server: Server = createServer(async (request, response) => {
      served.node += 1;
      response.end((await request.toArray()).join(''));
    });
    const serveByNode = server.listeners('connection');
    const fastPath = createFastPath({
      handlePost: (exchange) => {
        served.fast += 1;
        exchange.answer(202, 'text/plain', 'fast');
      },
      requestId: () => 'r',
      observe: () => undefined,
      logAccess: undefined,
      isDraining: () => false,
      limits: { headersTimeoutMs: 20_000, keepAliveTimeoutMs: 20_000 },
      log: { warn: (message) => void warnings.push(message) },
      stalledMs: 20_000,
      unreadMs: 20_000,
      maxUnreadBytes: 1_000_000,
      onCut: () => undefined,
      toNode: (forwarded) => {
        for (const listener of serveByNode) listener.call(server, forwarded.asSocket());
      },
      handleOf: find,
    });
    server.removeAllListeners('connection').on('connection', fastPath.take);
    const port = await listen(server);
    onTestFinished(() => {
      fastPath.closeAll();
      fastPath.close();
      server.closeAllConnections();
    });
    const ask = async () => {
      const client = await connectRaw(port);
      onTestFinished(() => client.destroy());
      client.send(postBytes());
      const first = await client.answer();
      client.send(postBytes());
      return [first.body, (await client.answer()).body];
    };
    return { served, warnings, ask };
  }

  test('is served by node:http, whole requests and all, and the log says so once', async () => {
    const { served, warnings, ask } = await start(() => undefined);
    expect(await ask()).toEqual([BODY, BODY]);
    expect(await ask()).toEqual([BODY, BODY]);
    expect(served).toEqual({ fast: 0, node: 4 });
    expect(warnings).toEqual([
      'this Node.js does not support the fast path; node:http serves all requests, with more CPU time',
    ]);
  });

  test('is the exception: with the handle, the fast path serves it', async () => {
    const { served, warnings, ask } = await start(handleOf);
    expect(await ask()).toEqual(['fast', 'fast']);
    expect([served, warnings]).toEqual([{ fast: 2, node: 0 }, []]);
  });
});
