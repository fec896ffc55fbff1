import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openUnixDatagramReceiver, openUnixDatagramSender, type UnixDatagramReceiver } from './unix-datagram.ts';

let folder: string;
let path: string;
const opened: { close(): void }[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'unix-datagram-'));
  path = join(folder, 'd');
});

afterEach(() => {
  for (const one of opened.splice(0)) one.close();
  rmSync(folder, { recursive: true });
});

interface Got {
  readonly bytes: Buffer;
  readonly isWhole: boolean;
}

function receive(onGot: (receiver: UnixDatagramReceiver) => void = () => undefined) {
  const got: Got[] = [];
  const receiver = openUnixDatagramReceiver(path, {
    receiveBuffer: 4_194_304,
    onDatagram(datagram, isWhole) {
      got.push({ bytes: Buffer.from(datagram), isWhole });
      onGot(receiver);
    },
  });
  opened.push(receiver);
  return { receiver, got };
}

function sender() {
  const made = openUnixDatagramSender(path);
  opened.push(made);
  return made;
}

/** Sends all, waiting where the queue is full. */
async function sendAll(datagrams: readonly Buffer[]): Promise<void> {
  const to = sender();
  for (const datagram of datagrams) while (!to.trySend(datagram)) await to.writable();
}

describe('unix datagrams', () => {
  it('come in order and whole, empty ones, NULs and 100 kB among them', async () => {
    const { got } = receive();
    const datagrams = [Buffer.from('one'), Buffer.alloc(0), Buffer.of(0, 1, 0), Buffer.alloc(100_000, 'x')];
    for (let count = 0; count < 500; count++) datagrams.push(Buffer.from(`${count}`));
    await sendAll(datagrams);
    await vi.waitFor(() => expect(got).toHaveLength(datagrams.length));
    expect(got.map(({ bytes }) => bytes)).toEqual(datagrams);
    expect(got.every(({ isWhole }) => isWhole)).toBe(true);
  });

  it('reach an idle process at once', async () => {
    const { got } = receive();
    const code = `import { openUnixDatagramSender } from ${JSON.stringify(import.meta.resolve('./unix-datagram.ts'))};
      openUnixDatagramSender(${JSON.stringify(path)}).trySend(Buffer.from('hello'));
      process.exit();`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'inherit' });
    const [status] = await once(child, 'exit');
    expect(status).toBe(0);
    await vi.waitFor(() => expect(got).toHaveLength(1), { timeout: 500 });
  });

  it('fill the queue of a paused receiver, and its senders wait', async () => {
    const { receiver, got } = receive();
    receiver.pause();
    const to = sender();
    let sent = 0;
    while (to.trySend(Buffer.from(`${sent}`))) sent++;
    expect(sent).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(got).toHaveLength(0);
    const writable = to.writable();
    receiver.resume();
    await writable;
    expect(to.trySend(Buffer.from('next'))).toBe(true);
    await vi.waitFor(() => expect(got).toHaveLength(sent + 1));
  });

  it('stop coming when the receiver pauses for one of them', async () => {
    // Of one call there may be some more; the kernel keeps the others.
    const { receiver, got } = receive((one) => one.pause());
    const to = sender();
    while (to.trySend(Buffer.from('x')));
    await vi.waitFor(() => expect(got.length).toBeGreaterThan(0));
    const before = got.length;
    while (to.trySend(Buffer.from('x')));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(got).toHaveLength(before);
    receiver.resume();
    await vi.waitFor(() => expect(got.length).toBeGreaterThan(before));
  });

  it('are read to the last when the receiver closes', () => {
    const { receiver, got } = receive();
    const to = sender();
    let sent = 0;
    while (to.trySend(Buffer.from('x'))) sent++;
    receiver.close();
    expect(got).toHaveLength(sent);
    expect(() => to.trySend(Buffer.from('x'))).toThrow(expect.objectContaining({ code: 'ECONNREFUSED' }));
  });

  it('let the event loop have its turn while a sender never stops', async () => {
    const { got } = receive();
    const code = `import { openUnixDatagramSender } from ${JSON.stringify(import.meta.resolve('./unix-datagram.ts'))};
      const to = openUnixDatagramSender(${JSON.stringify(path)});
      const bytes = Buffer.alloc(100);
      for (;;) to.trySend(bytes);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'inherit' });
    await vi.waitFor(() => expect(got.length).toBeGreaterThan(10_000), { timeout: 5_000 });
    child.kill('SIGKILL');
    await once(child, 'exit');
  });

  it('say why a path cannot be used', async () => {
    expect(() => openUnixDatagramSender(path)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    expect(() => openUnixDatagramSender(join(folder, 'x'.repeat(120)))).toThrow(
      expect.objectContaining({ code: 'ENAMETOOLONG' }),
    );
    writeFileSync(path, '');
    expect(() => receive()).toThrow(`cannot bind a Unix datagram socket path=${path}: EADDRINUSE`);
    rmSync(path);
    const server = createServer().listen(path);
    await once(server, 'listening');
    expect(() => openUnixDatagramSender(path)).toThrow(expect.objectContaining({ code: 'EPROTOTYPE' }));
    server.close();
  });

  it('leave a process that ends with an open socket in peace', async () => {
    const code = `import { openUnixDatagramReceiver, openUnixDatagramSender } from ${JSON.stringify(import.meta.resolve('./unix-datagram.ts'))};
      const path = ${JSON.stringify(path)};
      openUnixDatagramReceiver(path, { receiveBuffer: 100000, onDatagram() {} });
      openUnixDatagramSender(path).trySend(Buffer.from('x'));
      setTimeout(() => process.exit(7), 20);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    let said = '';
    child.stderr?.on('data', (bytes) => (said += bytes));
    const [status] = await once(child, 'exit');
    expect(said).toBe('');
    expect(status).toBe(7);
  });
});
