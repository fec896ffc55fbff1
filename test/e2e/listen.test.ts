import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openUnixDatagramSender } from '../../src/runtime/unix-datagram.ts';
import { cleanEnv, logforge } from '../support/service.ts';
import { eventually } from '../support/storage.ts';

/* `logforge listen` as a process: what a sender of each transport has handed over is in the file, in order, once. */

let folder: string;
const running: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'listen-'));
});
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

const line = (i: number) => `{"source":"producer","timestamp":1757680000,"level":"INFO","message":"${i}"}\n`;
const lines = (count: number) => Array.from({ length: count }, (_, i) => line(i)).join('');
const inFolder = (name: string) => join(folder, name);
const written = (name = 'aggregated_logs.jsonl') => readFileSync(inFolder(name), 'utf8');

function listen(...args: readonly string[]) {
  const [node, ...words] = logforge('listen', ...args);
  const child = spawn(node, words, { cwd: folder, env: cleanEnv() });
  running.push(child);
  const said = { out: '', err: '' };
  child.stdout.on('data', (bytes) => {
    said.out += bytes;
  });
  child.stderr.on('data', (bytes) => {
    said.err += bytes;
  });
  const exited = once(child, 'close').then(([code]) => code as number);
  return {
    child,
    said,
    exited,
    /** Where it listens. */
    async where(): Promise<string> {
      return eventually(() => {
        const match = / on (.+), appending to /.exec(said.err);
        expect(match, said.err).not.toBeNull();
        return match?.[1] ?? '';
      });
    },
    async stop(): Promise<string> {
      child.kill('SIGTERM');
      expect(await exited).toBe(0);
      return said.out;
    },
  };
}

describe('logforge listen', () => {
  it('appends what comes over a Unix socket to aggregated_logs.jsonl, and counts what it cannot read', async () => {
    const { where, stop } = listen('unixsock');
    expect(await where()).toBe('logforge.sock');
    expect(statSync(inFolder('logforge.sock')).mode & 0o777).toBe(0o600);
    const sockets = [0, 1, 2].map(() => connect(inFolder('logforge.sock')));
    for (const socket of sockets) socket.end(`${lines(1_000)}no JSON\n`);
    await Promise.all(sockets.map((socket) => once(socket, 'close')));
    expect(await stop()).toBe('3000 lines, 3 unreadable, dropped 0\n');
    expect(written().match(/.*\n/g)?.toSorted()).toEqual((lines(1_000).repeat(3).match(/.*\n/g) ?? []).toSorted());
    expect(existsSync(inFolder('logforge.sock'))).toBe(false);
  });

  it('listens on TCP, and writes what was sent right before the signal', async () => {
    const { where, stop } = listen('tcp', '--addr', '127.0.0.1:0', '--out', 'other.jsonl');
    const socket = connect(Number((await where()).split(':')[1]), '127.0.0.1');
    await once(socket, 'connect');
    await new Promise((resolve) => socket.write(lines(20_000), resolve));
    expect(await stop()).toBe('20000 lines, 0 unreadable, dropped 0\n');
    expect(written('other.jsonl')).toBe(lines(20_000));
    socket.destroy();
  });

  it('listens for datagrams, on a Unix socket and on UDP', async () => {
    const unix = listen('unixgram');
    const udp = listen('udp', '--addr', '127.0.0.1:0', '--out', 'udp.jsonl');
    await unix.where();
    const sender = openUnixDatagramSender(inFolder('logforge.dgram'));
    for (let i = 0; i < 500; i++) while (!sender.trySend(Buffer.from(line(i)))) await sender.writable();
    sender.close();
    const socket = createSocket('udp4');
    const port = Number((await udp.where()).split(':')[1]);
    for (let i = 0; i < 10; i++)
      await new Promise((resolve) => socket.send(line(i).trimEnd(), port, '127.0.0.1', resolve));
    socket.close();
    expect(await unix.stop()).toBe('500 lines, 0 unreadable, dropped 0\n');
    expect(written()).toBe(lines(500));
    expect(await udp.stop()).toBe('10 lines, 0 unreadable, dropped 0\n');
    expect(written('udp.jsonl')).toBe(lines(10));
  });

  it('reads a pipe that all writers have left, and mends the end of the file', async () => {
    writeFileSync(inFolder('aggregated_logs.jsonl'), `${line(0)}{"source":"pro`);
    const { where, stop, said } = listen('fifo');
    expect(await where()).toBe('logforge.fifo');
    expect(said.err).toContain('aggregated_logs.jsonl: its last line was not whole; its 14 bytes were cut off');
    for (let writer = 1; writer < 4; writer++) {
      const out = createWriteStream(inFolder('logforge.fifo'));
      out.end(line(writer));
      await once(out, 'close');
    }
    expect(await stop()).toBe('3 lines, 0 unreadable, dropped 0\n');
    expect(written()).toBe(lines(4));
    expect(existsSync(inFolder('logforge.fifo'))).toBe(false);
  });

  it('reads standard input to its end, a pipe and a file', async () => {
    const piped = listen('stdin');
    piped.child.stdin?.end(lines(1_000).trimEnd());
    expect(await piped.exited).toBe(0);
    expect(piped.said.out).toBe('1000 lines, 0 unreadable, dropped 0\n');
    expect(written()).toBe(lines(1_000));
    writeFileSync(inFolder('in'), lines(3));
    const [node, ...words] = logforge('listen', 'stdin', '--out', 'file.jsonl');
    const child = spawn('sh', ['-c', '"$@" < in', 'sh', node, ...words], { cwd: folder, env: cleanEnv() });
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(written('file.jsonl')).toBe(lines(3));
  });

  it('says that standard input cannot be read, and fails', async () => {
    const [node, ...words] = logforge('listen', 'stdin');
    const child = spawn('sh', ['-c', '"$@" < .', 'sh', node, ...words], { cwd: folder, env: cleanEnv() });
    let said = '';
    child.stderr.on('data', (bytes) => {
      said += bytes;
    });
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(said).toContain('logforge listen: cannot read standard input: EISDIR');
  });

  it('keeps the writers of a pipe waiting while the disk is full, and loses nothing', async () => {
    const { child, where, stop, said } = listen('fifo');
    await where();
    // The process may make no file longer than this; a write beyond it fails, as on a full disk.
    const limit = (bytes: string) => execFileSync('prlimit', ['--pid', `${child.pid}`, `--fsize=${bytes}:unlimited`]);
    limit('100000');
    const sent = lines(400_000);
    const out = createWriteStream(inFolder('logforge.fifo'));
    out.end(sent);
    const closed = once(out, 'close');
    await eventually(() => expect(said.err).toContain('cannot write; the lines wait'));
    // 29 MB: more than may be in flight, so a part of it cannot be written into the pipe.
    const isDone = await Promise.race([
      closed.then(() => true),
      new Promise((resolve) => setTimeout(resolve, 500, false)),
    ]);
    expect(isDone).toBe(false);
    expect(statSync(inFolder('aggregated_logs.jsonl')).size).toBeLessThanOrEqual(100_000);
    limit('unlimited');
    await closed;
    expect(await stop()).toBe('400000 lines, 0 unreadable, dropped 0\n');
    expect(written() === sent).toBe(true);
  });

  it('says what to install where Node.js has no Unix datagrams; other types do without', async () => {
    const env = { ...cleanEnv(), NODE_OPTIONS: '--no-experimental-ffi' };
    const [node, ...words] = logforge('listen', 'unixgram');
    const child = spawn(node, words, { cwd: folder, env });
    let said = '';
    child.stderr.on('data', (bytes) => {
      said += bytes;
    });
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(said).toMatch(/no node:ffi for it; install logforge with its own Node.js .* or use a stream socket/);
    const [, ...others] = logforge('listen', 'stdin');
    const stdin = spawn(node, others, { cwd: folder, env });
    stdin.stdin.end(lines(2));
    expect(await once(stdin, 'close')).toEqual([0, null]);
    expect(written()).toBe(lines(2));
  });

  it('says what is wrong with its place', async () => {
    const { exited, said } = listen('unixgram', '--path', 'no/folder');
    expect(await exited).toBe(1);
    expect(said.err).toBe('logforge listen: cannot listen on path=no/folder: its folder does not exist; make it\n');
  });
});
