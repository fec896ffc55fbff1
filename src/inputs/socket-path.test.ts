import { once } from 'node:events';
import { lstatSync, mkdirSync, statSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { leaveSocket, makeFolder } from './contract/contract-places.case.ts';
import { setUp } from './contract/flow.case.ts';
import { connectStream } from './contract/stream-sender.case.ts';
import { noteSocketFile, ownerOnly, removeStale, setSocketMode } from './socket-path.ts';
import { createStreamInput } from './stream-input.ts';

async function listen(path: string): Promise<Server> {
  const server = createServer((socket) => socket.end()).listen(path);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return server;
}

async function expectSomebody(path: string): Promise<void> {
  const socket = connect(path);
  await once(socket, 'connect');
  socket.destroy();
}

describe('the file of a socket', () => {
  it('stays at the stop when it is that of another process by then', async () => {
    const where = join(makeFolder(), 'in');
    const { start, input } = await setUp(
      {
        kind: 'stream',
        place: 'path',
        create: (options) => ({
          input: createStreamInput({ ...options, listen: { path: where }, tls: undefined }),
          connect: connectStream,
        }),
      },
      { where },
    );
    await start();
    unlinkSync(where);
    await listen(where);
    await input.stop(500);
    await expectSomebody(where);
  });

  it('goes with its own socket, also where that was moved', async () => {
    const path = join(makeFolder(), 'in');
    const server = await listen(path);
    noteSocketFile(path).close(() => server.close());
    expect(lstatSync(path, { throwIfNoEntry: false })).toBeUndefined();
    const other = await listen(path);
    const noted = noteSocketFile(path);
    unlinkSync(path);
    noted.close(() => other.close());
    expect(lstatSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('is removed when it is stale, and not when another process took its place since it was looked at', async () => {
    const path = join(makeFolder(), 'in');
    await leaveSocket(path);
    const found = lstatSync(path);
    removeStale(path, found);
    expect(lstatSync(path, { throwIfNoEntry: false })).toBeUndefined();
    removeStale(path, found);
    await listen(path);
    expect(() => removeStale(path, found)).toThrow('another process listens there');
    await expectSomebody(path);
  });

  it('is made for its owner alone, and so are folders that others make at the moment: those can still be used', async () => {
    const folder = makeFolder();
    const path = join(folder, 'in');
    const before = process.umask();
    await ownerOnly(() => {
      mkdirSync(join(folder, 'other'));
      return listen(path);
    });
    expect(process.umask()).toBe(before);
    expect(statSync(join(folder, 'other')).mode & 0o777).toBe(0o700);
    expect(statSync(path).mode & 0o077).toBe(0);
    setSocketMode(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});
