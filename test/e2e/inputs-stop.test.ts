import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import {
  LINES,
  type LoadSender,
  lineOf,
  readNumbers,
  startSender,
  startWithInputs,
  toConnect,
  whereOf,
} from '../support/input-service.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';
import { eventually } from '../support/storage.ts';
import { readMetric } from '../support/version2.ts';

/* What senders over sockets can rely on when the service stops, is killed, or cannot store. */

const TCP = '{name: in, type: tcp, addr: "127.0.0.1:0"}';
const UNIX = '{name: in, type: unixsock, path: ./in.sock}';

let service: Service;
afterEach(async () => {
  await service.stop('SIGKILL');
  await removeDirs(service.dirs);
});

/** Records of all senders, before the service ends. */
const LEAST_STORED = 10_000;
const MIB = 1024 * 1024;
const MAX_IN_FLIGHT = MIB / 4;

/** What may be lost at a kill, in bytes, as docs/inputs.md says: what the input and the kernel hold of so many connections. */
function mostLost(type: string, connections: number): number {
  const ofKernel = (file: string) => Number(readFileSync(`/proc/sys/net/${file}`, 'utf8').trim().split(/\s+/).at(-1));
  const ofConnection =
    type === 'tcp' ? ofKernel('ipv4/tcp_rmem') + ofKernel('ipv4/tcp_wmem') : ofKernel('core/wmem_default');
  return MAX_IN_FLIGHT + MIB + connections * (MIB / 4 + ofConnection);
}

async function startLoad(input: string): Promise<LoadSender[]> {
  service = await startWithInputs([input]);
  const to = toConnect(service, await whereOf(service, 'in'));
  const senders = await Promise.all(['a', 'b', 'c'].map((name) => startSender(to, name, { pauseMs: 2 })));
  await eventually(async () => {
    const stored = (await readMetric(service, 'logforge_records_total')).get('{outcome="stored"}');
    expect(stored).toBeGreaterThan(LEAST_STORED);
  });
  return senders;
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe.each([
  ['tcp', TCP],
  ['unixsock', UNIX],
])('an input of type %s under load', (type, input) => {
  it('has stored all that the kernel had taken when SIGTERM has ended the service', async () => {
    const senders = await startLoad(input);
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    await Promise.all(senders.map(({ closed }) => closed));
    for (const { name, sent } of senders) {
      const stored = await readNumbers(service, name);
      expect([name, stored.length]).toEqual([name, sent()]);
      expect(stored).toEqual(upTo(stored.length));
    }
  });

  it('has stored the beginning of what each sender sent, and nothing twice, after kill -9', async () => {
    const senders = await startLoad(input.replace('}', `, maxInFlightBytes: ${MAX_IN_FLIGHT}, flushBytes: 64KiB}`));
    await service.stop('SIGKILL');
    await Promise.all(senders.map(({ closed }) => closed));
    // The start cuts off what was not committed.
    service = await startService({ dirs: service.dirs, env: { LOGFORGE_AGGREGATION_ENABLED: 'false' } });
    let kept = 0;
    let lost = 0;
    for (const { name, sent } of senders) {
      const stored = await readNumbers(service, name);
      expect(stored).toEqual(upTo(stored.length));
      kept += stored.length;
      expect(stored.length).toBeLessThanOrEqual(sent() + LINES);
      for (let i = stored.length; i < sent(); i++) lost += lineOf(name, i).length;
    }
    // What was committed once stays.
    expect(kept).toBeGreaterThan(LEAST_STORED);
    expect(lost).toBeLessThanOrEqual(mostLost(type, senders.length));
  });
});

describe('a full disk', () => {
  it('makes the sender wait, and loses nothing', async () => {
    const input = '{name: in, type: unixsock, path: ./in.sock, maxInFlightBytes: 128KiB, flushBytes: 32KiB}';
    // As in disk-full.test.ts: no file can grow beyond the limit.
    service = await startWithInputs([input], { wrapper: ['prlimit', `--fsize=${512 * 1024}:unlimited`] });
    const to = toConnect(service, await whereOf(service, 'in'));
    const count = 40_000;
    const sender = await startSender(to, 'a', { count });
    await eventually(async () => {
      expect((await readMetric(service, 'logforge_input_retries_total')).get('{input="in"}')).toBeGreaterThan(1);
    });
    const waiting = sender.sent();
    expect(waiting).toBeLessThan(count / 2);
    const inFlight = (await readMetric(service, 'logforge_input_in_flight_bytes')).get('{input="in"}') ?? 0;
    expect(inFlight).toBeGreaterThanOrEqual(128 * 1024);
    expect(inFlight).toBeLessThan(1024 * 1024);
    execFileSync('prlimit', ['--pid', String(service.pid), '--fsize=unlimited:unlimited']);
    await sender.closed;
    await eventually(async () => expect(await readNumbers(service, 'a')).toHaveLength(count));
    expect(await readNumbers(service, 'a')).toEqual(upTo(count));
    expect((await readMetric(service, 'logforge_records_unaccounted')).get('')).toBe(0);
  });
});
