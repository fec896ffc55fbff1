import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { ForwardedSocket } from './forwarded-socket.ts';

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** A connection over TCP: the client's end, and the stream that node:http is given. */
async function connected(): Promise<{ readonly client: Socket; readonly forwarded: ForwardedSocket }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  cleanups.push(() => {
    client.destroy();
    accepted.destroy();
    server.close();
  });
  const forwarded = new ForwardedSocket(accepted);
  accepted.on('data', (bytes: Buffer) => {
    if (!forwarded.feed(bytes)) accepted.pause();
  });
  return { client, forwarded };
}

it('gives on bytes in pieces, none while held, and none any more when the rest is ignored', async () => {
  const { client, forwarded } = await connected();
  let given = 0;
  forwarded.on('data', (piece: Buffer) => {
    given += piece.length;
    if (given === 8_192) forwarded.hold();
  });
  client.write(Buffer.alloc(20_000));
  while (given < 8_192) await once(forwarded, 'data');
  expect(given).toBe(8_192);

  forwarded.ignoreRest();
  forwarded.goOn();
  client.end(Buffer.alloc(4_000_000));
  // The client's end is seen behind all of its bytes: they are read, and dropped.
  await once(forwarded, 'end');
  expect(given).toBe(8_192);
});
