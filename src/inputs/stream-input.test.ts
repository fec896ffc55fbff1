import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../test/support/storage.ts';
import { createNewlineFraming } from '../decode/frames/newline-framing.ts';
import { makeFolder } from './contract/contract-places.case.ts';
import type { CreateOptions, InputFixture } from './contract/fixture.case.ts';
import { createRecordingFlow, setUp } from './contract/flow.case.ts';
import { describeInputContract } from './contract/input-contract.case.ts';
import { connectStream } from './contract/stream-sender.case.ts';
import { createStreamInput } from './stream-input.ts';
import { createStreamServer, type StreamServerOptions } from './stream-server.ts';

function create(options: CreateOptions, listen: StreamServerOptions['listen']) {
  const input = createStreamInput({ ...options, listen, tls: undefined });
  return { input, connect: (where: string) => connectStream(where) };
}

const tcp: InputFixture = {
  kind: 'stream',
  place: 'address',
  create: (options) =>
    create(options, { host: '127.0.0.1', port: Number(options.where?.slice(options.where.lastIndexOf(':') + 1) ?? 0) }),
};

describeInputContract('an input of type tcp', tcp);

describeInputContract('an input of type unixsock', {
  kind: 'stream',
  place: 'path',
  create: (options) => create(options, { path: options.where ?? join(makeFolder(), 'in') }),
});

it('a stop drops the frame under way of a client that does not end, and counts it', async () => {
  const { input, start, lines, unread, dropped, awaitLines } = await setUp(tcp);
  const where = await start();
  const socket = connect({ host: '127.0.0.1', port: Number(where.split(':')[1]), allowHalfOpen: true });
  socket.resume().write('whole\nhalf');
  await awaitLines(1);
  const [stopped] = await Promise.all([input.stop(5_000), once(socket, 'end')]);
  expect(stopped).toBeUndefined();
  expect(lines).toEqual(['whole']);
  expect(unread).toEqual([]);
  expect([...dropped]).toEqual([['stop', 1]]);
  socket.destroy();
});

it('a connection that the kernel cannot give is counted and logged, and the next one is read', async () => {
  const { flow, refused, lines } = createRecordingFlow(64 * 1024);
  const warned: unknown[] = [];
  const server = createStreamServer({
    name: 'in',
    listen: { host: '127.0.0.1', port: 0 },
    tls: undefined,
    framing: createNewlineFraming({ maxFrameBytes: 1_000 }),
    maxFrameBytes: 1_000,
    limits: { maxConnections: 10, idleTimeoutMs: undefined, maxUnfinishedBytes: 64 * 1024 },
    flow,
    log: { info: () => undefined, warn: (...args) => void warned.push(args) },
  });
  const listening = await server.listen();
  onTestFinished(() => server.stop(0));
  const err = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' });
  // As Node.js tells of it; the whole process would have to be without descriptors.
  for (let i = 0; i < 2; i++) listening.emit('error', err);
  expect(refused).toEqual(['too_many_connections', 'too_many_connections']);
  expect(warned[0]).toEqual(['an input cannot accept a connection', { input: 'in', err, fold: 'in' }]);
  const { port } = listening.address() as AddressInfo;
  const sender = connect(port, '127.0.0.1');
  sender.end('taken\n');
  await eventually(() => expect(lines).toEqual(['taken']));
});
