import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { openUnixDatagramReceiver } from '../../src/runtime/unix-datagram.ts';
import { startWithInputs, whereOf } from '../support/input-service.ts';
import { type Finished, runLogforge, runProgram } from '../support/run.ts';
import { cleanEnv, REPOSITORY, removeDirs, type Service } from '../support/service.ts';
import { readRecords } from '../support/storage.ts';

/* The real generator against real sockets, pipes, files and a real service. */

type Generate = (...args: readonly string[]) => Promise<Finished>;

/** Where a test runs programs, and what it closes at its end. Tests run at the same time, so each has its own. */
interface Place {
  readonly dir: string;
  readonly generate: Generate;
  readonly closers: (() => unknown)[];
}

async function makePlace({ onTestFinished }: Pick<TestContext, 'onTestFinished'>): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), 'logforge-generate-'));
  const closers: (() => unknown)[] = [];
  onTestFinished(async () => {
    for (const close of closers) await close();
    await rm(dir, { recursive: true });
  });
  return { dir, closers, generate: (...args) => runLogforge(['generate', ...args], { cwd: dir, timeout: 60_000 }) };
}

type OnData = (socket: Socket, connection: number, bytes: number) => void;

/** What each connection to a server brings. */
function receive({ closers }: Place, server: Server, onData: OnData = () => {}) {
  const connections: Buffer[][] = [];
  const open = new Set<Socket>();
  server.on(server.eventNames().includes('secureConnection') ? 'secureConnection' : 'connection', (socket: Socket) => {
    const index = connections.push([]) - 1;
    open.add(socket);
    let bytes = 0;
    socket.on('error', () => undefined).on('close', () => open.delete(socket));
    socket.on('data', (piece: Buffer) => {
      connections[index]?.push(piece);
      bytes += piece.length;
      onData(socket, index, bytes);
    });
  });
  closers.push(() => {
    for (const socket of open) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { texts: () => connections.map((pieces) => Buffer.concat(pieces).toString()), open };
}

async function listenOn(server: Server, path?: string): Promise<number> {
  await new Promise<void>((resolve) => {
    if (path === undefined) server.listen(0, '127.0.0.1', resolve);
    else server.listen(path, resolve);
  });
  return path === undefined ? (server.address() as AddressInfo).port : 0;
}

/** The records of whole lines. */
function linesOf(text: string): Record<string, unknown>[] {
  expect(text).toMatch(/\n$/);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

const SENT = (records: number) => new RegExp(`^sent ${records} records .* failed 0, unsure 0 in 0 batches`, 'm');

describe('over connections', () => {
  it.concurrent('to a Unix socket: five producers of older programs, 10 records a second each', async (context) => {
    const place = await makePlace(context);
    const { dir, generate } = place;
    const server = createServer();
    const { texts, open } = receive(place, server);
    await listenOn(server, join(dir, 'logforge.sock'));
    const flags = ['--transport', 'unixsock', '--size', '100', '--rate', '10', '--duration', '1s', '--producers', '5'];
    const { code, stderr } = await generate(...flags);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(SENT(50)) });
    await context.expect.poll(() => [texts().length, open.size]).toEqual([5, 0]);
    for (const sent of texts()) {
      const records = linesOf(sent);
      expect(records).toHaveLength(10);
      for (const record of records) {
        expect(Object.keys(record)).toEqual(['source', 'timestamp', 'level', 'message']);
        expect(record.message).toHaveLength(100);
        expect(record.timestamp).toBeCloseTo(Date.now() / 1_000, -2);
      }
    }
  });

  it.concurrent('to TLS: the universal port, with the flags and the certificate of older programs', async (context) => {
    const place = await makePlace(context);
    const { dir, generate } = place;
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
    const recipe = ['req', '-x509', '-newkey', 'rsa:2048', '-keyout', key, '-out', cert, '-days', '365', '-nodes'];
    execFileSync('openssl', [...recipe, '-subj', '/CN=localhost'], { stdio: 'ignore' });
    const server = createTlsServer({ key: await readFile(key), cert: await readFile(cert) });
    server.on('tlsClientError', () => undefined).on('secureConnection', () => undefined);
    const { texts, open } = receive(place, server);
    const port = String(await listenOn(server));
    const flags = ['--batch', '50', '--interval', '10', '--count', '200', '--address', 'localhost', '--tcp-port', port];
    const { code, stderr } = await generate(...flags, '--format', 'raw', '--ca', cert);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(SENT(200)) });
    await context.expect.poll(() => [texts().length, open.size]).toEqual([1, 0]);
    const bytes = Buffer.from(texts()[0] ?? '');
    let frames = 0;
    for (let at = 0; at < bytes.length; at += 5 + bytes.readUInt32BE(at + 1), frames++) expect(bytes[at]).toBe(4);
    expect(frames).toBe(200);
  });

  it.concurrent('without a server it tries again, counts what failed, and ends with 1', async (context) => {
    const { generate } = await makePlace(context);
    const { code, stderr } = await generate('--transport', 'unixsock', '--count', '3', '--retries', '1');
    expect(code).toBe(1);
    expect(stderr).toMatch(/cannot connect to logforge\.sock: .*ENOENT/);
    expect(stderr).toMatch(/^sent 0 records .* failed 3, unsure 0 in 1 batches/m);
  });

  it.concurrent('to TCP: as fast as possible, and every line arrives whole', async (context) => {
    const place = await makePlace(context);
    const { generate } = place;
    const server = createServer();
    const { texts, open } = receive(place, server);
    const addr = `127.0.0.1:${await listenOn(server)}`;
    const flags = ['--transport', 'tcp', '--records', 'entry', '--interval', '0', '--count', '40050'];
    const { code, stderr } = await generate(...flags, '--addr', addr);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(SENT(40_050)) });
    await context.expect.poll(() => [texts().length, open.size]).toEqual([1, 0]);
    const [sent = ''] = texts();
    const records = linesOf(sent);
    expect(records).toHaveLength(40_050);
    expect(records.every(({ level, message }) => typeof level === 'string' && typeof message === 'string')).toBe(true);
    const times = records.map(({ timestamp }) => String(timestamp));
    expect(times).toEqual([...times].sort());
    expect(new Set(times).size).toBeGreaterThan(1);
  });

  it.concurrent('a server that closes in the middle gets whole lines on a new connection, and none a second time', async (context) => {
    const place = await makePlace(context);
    const { generate } = place;
    const server = createServer();
    const { texts, open } = receive(place, server, (socket, connection, bytes) => {
      if (connection < 2 && bytes > 300_000) socket.resetAndDestroy();
    });
    const addr = `127.0.0.1:${await listenOn(server)}`;
    const flags = ['--transport', 'tcp', '--interval', '0', '--count', '10000', '--batch', '500', '--size', '300'];
    const { code, stderr } = await generate(...flags, '--records', 'events', '--addr', addr);
    expect(code).toBe(1);
    const [, sent = '', unsure = ''] =
      /^sent (\d+) records .* failed 0, unsure (\d+)/m.exec(stderr.split('\n').at(-2) ?? '') ?? [];
    expect(Number(sent) + Number(unsure)).toBe(10_000);
    expect(Number(unsure)).toBeGreaterThan(0);
    await context.expect.poll(() => [texts().length, open.size]).toEqual([3, 0]);
    const ids = texts().flatMap((sent, index) => {
      const lines = sent.split('\n');
      // Only the last line of a broken connection may be cut.
      const whole = lines.slice(0, -1).map((line) => JSON.parse(line) as { request_id: string });
      if (index === 2) expect(lines.at(-1)).toBe('');
      return whole.map(({ request_id: id }) => id);
    });
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThanOrEqual(Number(sent));
  });
});

describe('SIGTERM', () => {
  // SIGINT: below, by the script.
  it('stops at the end of a line, with 0', async (context) => {
    const place = await makePlace(context);
    const { dir } = place;
    let child: ChildProcess | undefined;
    const server = createServer();
    const { texts } = receive(place, server, (_socket, _connection, bytes) => {
      if (bytes < 1_000_000) return;
      child?.kill('SIGTERM');
      // A second signal would end it at once.
      child = undefined;
    });
    const args = ['generate', '--transport', 'tcp', '--interval', '0', '--addr', `127.0.0.1:${await listenOn(server)}`];
    const started = (process: ChildProcess) => {
      child = process;
    };
    const { code, stderr } = await runLogforge(args, { cwd: dir, timeout: 60_000, started });
    const records = linesOf(texts()[0] ?? '').length;
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(SENT(records)) });
  });
});

describe('over datagrams, pipes and files', () => {
  it.concurrent('to UDP: datagrams of whole lines, of at most 1,400 bytes', async (context) => {
    const { generate, closers } = await makePlace(context);
    const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
    const datagrams: string[] = [];
    socket.on('message', (bytes) => datagrams.push(bytes.toString()));
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    closers.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
    const flags = ['--udp', '--udp-port', String(socket.address().port), '--batch', '100', '--interval', '10'];
    expect(await generate(...flags, '--count', '500')).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(SENT(500)),
    });
    await context.expect.poll(() => datagrams.flatMap(linesOf).length).toBe(500);
    expect(datagrams.length).toBeLessThan(150);
    for (const datagram of datagrams) expect(datagram.length).toBeLessThanOrEqual(1_400);
  });

  it.concurrent('to a FIFO, from several processes started by the script, whose worst status it has', async (context) => {
    const { dir, closers } = await makePlace(context);
    const path = join(dir, 'logforge.fifo');
    execFileSync('mkfifo', [path]);
    const holder = spawn('sh', ['-c', `exec cat <> ${path} > ${path}.out`]);
    closers.push(() => holder.kill());
    const run = (...args: string[]) =>
      runProgram([join(REPOSITORY, 'scripts/launch-producers.sh'), ...args], {
        cwd: dir,
        env: cleanEnv(),
        timeout: 60_000,
      });
    const { code, stderr } = await run('fifo', '2', '--count', '4');
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(SENT(4)) });
    await context.expect.poll(async () => linesOf(await readFile(`${path}.out`, 'utf8')).length).toBe(8);
    expect((await run('unixsock', '1', '--count', '1', '--retries', '0')).code).toBe(1);
    expect((await run('fifo', 'many')).code).toBe(2);
  });

  it.concurrent('the script stops its producers in order when a terminal interrupts it', async (context) => {
    const place = await makePlace(context);
    const { dir } = place;
    const server = createServer();
    let script: ChildProcess | undefined;
    const { texts } = receive(place, server, () => {
      if (texts().length < 2 || texts().includes('') || script?.pid === undefined) return;
      // To its process group, as a terminal does.
      process.kill(-script.pid, 'SIGINT');
      script = undefined;
    });
    await listenOn(server, join(dir, 'logforge.sock'));
    const command = [join(REPOSITORY, 'scripts/launch-producers.sh'), 'unixsock', '2', '--duration', '1m'];
    const child = spawn('bash', command, {
      cwd: dir,
      env: cleanEnv(),
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    script = child;
    const [report, code] = await Promise.all([text(child.stderr), once(child, 'exit').then(([status]) => status)]);
    expect({ code, report }).toEqual({ code: 0, report: expect.stringMatching(/failed 0, unsure 0/) });
    for (const sent of texts()) expect(linesOf(sent).length).toBeLessThan(100);
  });

  it.concurrent('to files that rotate, and to standard output', async (context) => {
    const { dir, generate } = await makePlace(context);
    const flags = ['--transport', 'file', '--path', 'out.log', '--rotate', '10KiB', '--keep', '2', '--format', 'csv'];
    expect((await generate(...flags, '--count', '300', '--interval', '1', '--batch', '10')).code).toBe(0);
    const names = (await readdir(dir)).sort();
    expect(names).toEqual(['out.log', 'out.log.1', 'out.log.2']);
    for (const name of names) {
      expect((await stat(join(dir, name))).size).toBeLessThanOrEqual(10 * 1024);
      expect(await readFile(join(dir, name), 'utf8')).toMatch(/^timestamp,level,message,service,.*\n([^\n]*,\d+\n)+$/);
    }
    const { stdout } = await generate(
      '--transport',
      'stdout',
      '--format',
      'ndjson',
      '--count',
      '3',
      '--seed',
      '4',
      '--field',
      'region=eu',
    );
    expect(linesOf(stdout)).toEqual(Array(3).fill(expect.objectContaining({ region: 'eu' })));
  });

  it('to a FIFO: as fast as possible, for longer than the memory of a moment lives', async (context) => {
    const { dir, generate } = await makePlace(context);
    const path = join(dir, 'logforge.fifo');
    execFileSync('mkfifo', [path]);
    const counter = spawn('sh', ['-c', `exec wc -l < ${path}`]);
    const flags = ['--transport', 'fifo', '--rate', '0', '--count', '300000', '--records', 'entry'];
    const [count, { code, stderr }] = await Promise.all([text(counter.stdout), generate(...flags, '--retries', '20')]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(SENT(300_000)) });
    expect(Number(count)).toBe(300_000);
  });

  it.concurrent('to a Unix datagram socket', async (context) => {
    const { dir, generate, closers } = await makePlace(context);
    const datagrams: string[] = [];
    const path = join(dir, 'logforge.dgram');
    const onDatagram = (bytes: Buffer) => void datagrams.push(bytes.toString());
    const receiver = openUnixDatagramReceiver(path, { receiveBuffer: 65_536, onDatagram });
    closers.push(() => receiver.close());
    const flags = ['--transport', 'unixgram', '--size', '100', '--rate', '0', '--count', '5000', '--producers', '2'];
    const { code, stderr } = await generate(...flags);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(SENT(10_000)) });
    await context.expect.poll(() => datagrams.flatMap(linesOf).length).toBe(10_000);
    expect(Math.max(...datagrams.map(({ length }) => length))).toBeLessThanOrEqual(1_400);
  });
});

describe('to a service', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startWithInputs([
      '{name: lines, type: tcp, addr: "127.0.0.1:0"}',
      '{name: syslog, type: syslog, addr: "127.0.0.1:0"}',
      '{name: datagrams, type: udp, format: auto, addr: "127.0.0.1:0"}',
    ]);
    const schema = await readFile(join(REPOSITORY, 'config/schemas/log-entry.json'), 'utf8');
    const body = JSON.stringify({ format: 'json', name: 'LogEntry', schema });
    expect((await fetch(`${service.url}/schema/register`, { method: 'POST', body })).status).toBe(201);
  });
  afterAll(async () => {
    await service.stop();
    await removeDirs(service.dirs);
  });

  /** Of the stream events: what is stored beyond the first records. */
  const eventsAfter = async (before: number): Promise<number> =>
    (await readRecords(service.dirs, 'events')).length - before;

  it('access records by HTTP, events over tcp, and every datagram of syslog are stored', async (context) => {
    const { generate } = await makePlace(context);
    const before = await eventsAfter(0);
    const to = async (input: string) => ['--addr', await whereOf(service, input)];
    const syslog = ['--transport', 'udp', '--format', 'syslog', '--batch', '20', '--interval', '20', '--count', '60'];
    const runs = await Promise.all([
      generate('--url', service.url, '--count', '250', '--interval', '0'),
      generate('--transport', 'tcp', ...(await to('lines')), '--count', '2000', '--rate', '0'),
      generate(...syslog, ...(await to('syslog'))),
      generate(...syslog, ...(await to('datagrams')), '--rfc', '3164'),
    ]);
    for (const [index, records] of [250, 2_000, 60, 60].entries())
      expect(runs[index]).toMatchObject({ code: 0, stderr: expect.stringMatching(SENT(records)) });
    expect(await readRecords(service.dirs, 'access')).toHaveLength(250);
    await context.expect.poll(() => eventsAfter(before)).toBe(2_120);
  });

  it('events in every format, checked by the schemas of its registry, are accepted, and others are not sent', async (context) => {
    const { generate } = await makePlace(context);
    const before = await eventsAfter(0);
    const formats = ['json', 'ndjson', 'csv', 'proto', 'avro'];
    const flags = ['--stream', 'events', '--url', service.url, '--registry', service.url, '--interval', '0'];
    const [refused, ...runs] = await Promise.all([
      generate(...flags, '--count', '1', '--field', 'service='),
      ...formats.map((format) => generate(...flags, '--format', format, '--count', '120')),
    ]);
    for (const { code, stderr } of runs)
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(SENT(120)) });
    expect(await eventsAfter(before)).toBe(formats.length * 120);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/a record does not fit the JSON Schema: .*service/),
    });
  });
});
