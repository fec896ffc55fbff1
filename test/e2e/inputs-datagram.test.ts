import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createWriteStream, lstatSync, openSync, statSync, writeSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openUnixDatagramSender } from '../../src/runtime/unix-datagram.ts';
import { launch, makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';
import { readMetric } from '../support/version2.ts';

/* Datagrams and pipes of a real process: what comes in is stored, what is lost is counted. */

let service: Service | undefined;
const running = (): Service => {
  if (service === undefined) throw new Error('no service');
  return service;
};
afterEach(async () => {
  if (service === undefined) return;
  await service.stop('SIGKILL');
  await removeDirs(service.dirs);
  service = undefined;
});

async function start(inputs: string): Promise<Service> {
  const dirs = await makeDirs();
  const config = join(dirs.root, 'config.yaml');
  await writeFile(config, `inputs:\n${inputs}`);
  service = await startService({ dirs, args: ['--config', config], env: { LOGFORGE_AGGREGATION_ENABLED: 'false' } });
  return service;
}

/** A service that cannot start: what it says. */
async function failStart(inputs: string): Promise<string> {
  const dirs = await makeDirs();
  const config = join(dirs.root, 'config.yaml');
  await writeFile(config, `inputs:\n${inputs}`);
  const started = launch({ dirs, args: ['--config', config] });
  expect((await started.exited).code).not.toBe(0);
  await removeDirs(dirs);
  return started.logs();
}

const line = (i: number) => `{"timestamp":"2015-05-17T10:00:00Z","level":"INFO","message":"m${i}","service":"s"}\n`;
const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => line(from + i)).join('');

/** Where an input listens, as the log says. */
function whereOf(name: string): string {
  return new RegExp(`"input":"${name}","where":"([^"]+)"`).exec(running().logs())?.[1] ?? '';
}

async function messages(): Promise<unknown[]> {
  return (await readRecords(running().dirs, 'events')).map(({ message }) => message);
}

async function metric(name: string, labels: string): Promise<number> {
  return (await readMetric(running(), name)).get(labels) ?? 0;
}

/** Sends datagrams, one after the other. */
async function sendUdp(where: string, datagrams: readonly (string | Buffer)[]): Promise<void> {
  const socket = createSocket('udp4');
  const port = Number(where.slice(where.lastIndexOf(':') + 1));
  for (const datagram of datagrams) await new Promise((resolve) => socket.send(datagram, port, '127.0.0.1', resolve));
  socket.close();
}

describe('an input of type udp', () => {
  it('stores the lines of datagrams, counts what cannot be read, and says what is wrong with its place', async () => {
    await start('  - {name: u, type: udp, addr: "127.0.0.1:0", receiveBuffer: 1GiB}\n');
    expect(running().logs()).toContain('sysctl -w net.core.rmem_max=1073741824');
    const second = failStart(`  - {name: u, type: udp, addr: "${whereOf('u')}"}\n`);
    await sendUdp(whereOf('u'), [lines(0, 3), line(3).trimEnd(), '', 'no JSON', Buffer.alloc(65_507, 'x'), line(4)]);
    await eventually(async () => expect(await messages()).toEqual(['m0', 'm1', 'm2', 'm3', 'm4']));
    expect(await metric('logforge_records_total', '{outcome="dead_lettered"}')).toBe(2);
    expect(await metric('logforge_records_unaccounted', '')).toBe(0);
    expect(await second).toContain('another process listens there');
    expect(await running().stop()).toEqual({ code: 0, signal: null });
  });

  it('counts what the kernel dropped while the process could not read', async () => {
    const { signal } = await start(
      '  - {name: u, type: udp, addr: "127.0.0.1:0", receiveBuffer: 8KiB, flushInterval: 1ms}\n',
    );
    signal('SIGSTOP');
    await sendUdp(
      whereOf('u'),
      Array.from({ length: 500 }, (_, i) => line(i)),
    );
    signal('SIGCONT');
    await eventually(async () => {
      const stored = (await messages()).length;
      expect(stored).toBeGreaterThan(0);
      const dropped = await metric('logforge_input_dropped_total', '{input="u",reason="kernel"}');
      expect(dropped).toBeGreaterThan(0);
      expect(stored + dropped).toBe(500);
    });
    expect(running().logs()).toContain('the kernel dropped datagrams of an input');
  });
});

describe('inputs of types unixgram and fifo', () => {
  it('are of their owner alone, outlive their writers, store all that the kernel had taken, and go at the stop', async () => {
    const inputs = '  - {name: g, type: unixgram, path: ./in.dgram}\n  - {name: f, type: fifo, path: ./in.fifo}\n';
    const { dirs } = await start(inputs);
    const [socket, pipe] = [join(dirs.root, 'in.dgram'), join(dirs.root, 'in.fifo')];
    expect(lstatSync(pipe).isFIFO()).toBe(true);
    for (const path of [socket, pipe]) expect(statSync(path).mode & 0o777).toBe(0o600);
    for (let writer = 0; writer < 3; writer++) {
      const out = createWriteStream(pipe);
      out.end(lines(writer * 100, writer * 100 + 100));
      await once(out, 'close');
    }
    await eventually(async () => expect(await messages()).toHaveLength(300));
    // At once before the stop.
    const sender = openUnixDatagramSender(socket);
    for (let i = 1_000; i < 1_200; i++) while (!sender.trySend(Buffer.from(line(i)))) await sender.writable();
    writeSync(openSync(pipe, 'w'), line(300).trimEnd());
    expect(await running().stop()).toEqual({ code: 0, signal: null });
    sender.close();
    const stored = await messages();
    expect(stored).toHaveLength(501);
    expect(stored).toContain('m300');
    for (const path of [socket, pipe]) expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });
});

describe('an input of type unixgram', () => {
  it('removes the socket of a killed process, and not that of a running one', async () => {
    const inputs = '  - {name: g, type: unixgram, path: ./in.dgram}\n';
    const { dirs } = await start(inputs);
    const config = join(dirs.root, 'config.yaml');
    const second = launch({ dirs: { ...dirs, ...(await makeDirs()), root: dirs.root }, args: ['--config', config] });
    expect((await second.exited).code).not.toBe(0);
    expect(second.logs()).toContain('another process listens there');
    await running().stop('SIGKILL');
    expect(lstatSync(join(dirs.root, 'in.dgram')).isSocket()).toBe(true);
    service = await startService({ dirs, args: ['--config', config] });
    openUnixDatagramSender(join(dirs.root, 'in.dgram')).trySend(Buffer.from(line(1)));
    await eventually(async () => expect(await messages()).toEqual(['m1']));
  });
});

describe('an input of type stdin', () => {
  it('stores what is piped to the service, and the service goes on after the end', async () => {
    const dirs = await makeDirs();
    const config = join(dirs.root, 'config.yaml');
    await writeFile(config, 'inputs:\n  - {name: in, type: stdin}\n');
    const file = join(dirs.root, 'in.ndjson');
    await writeFile(file, lines(0, 1_000).trimEnd());
    const wrapper = ['bash', '-c', 'exec "$@" < <(cat "$0")', file];
    service = await startService({ dirs, args: ['--config', config], wrapper });
    await eventually(async () => expect(await messages()).toHaveLength(1_000));
    await eventually(() => expect(running().logs()).toContain('an input has ended'));
    const ready = await fetch(`${service.url}/ready`);
    expect(ready.status).toBe(200);
    expect(await ready.text()).toContain('standard input has ended');
  });
});

describe('an input of type syslog', () => {
  it('takes datagrams and connections on one port, and drops datagrams beyond the rate of a client', async () => {
    await start(
      '  - {name: s, type: syslog, addr: "127.0.0.1:0"}\n  - {name: r, type: syslog, addr: "127.0.0.1:0", rateLimit: "1/s burst 5"}\n',
    );
    const where = whereOf('s');
    await sendUdp(where, ['<13>Oct 11 22:14:15 host app[1]: over udp\nsecond line']);
    const socket = connect(Number(where.split(':')[1]), '127.0.0.1');
    socket.end('<13>Oct 11 22:14:15 host app[1]: over tcp\n');
    await once(socket, 'close');
    await eventually(async () => {
      expect((await messages()).toSorted()).toEqual(['over tcp', 'over udp\nsecond line']);
    });
    await sendUdp(
      whereOf('r'),
      Array.from({ length: 20 }, (_, i) => `<13>message ${i}`),
    );
    await eventually(async () => {
      const dropped = await metric('logforge_input_dropped_total', '{input="r",reason="rate_limited"}');
      // Two came to the other input.
      expect(dropped + (await messages()).length - 2).toBe(20);
      // A second may pass between the first and the last.
      expect(dropped).toBeGreaterThanOrEqual(13);
      expect(dropped).toBeLessThanOrEqual(15);
    });
  });
});
