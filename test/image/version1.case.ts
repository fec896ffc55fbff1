import { randomUUID } from 'node:crypto';
import { chmod, chown, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readBalancedAccounting } from '../support/accounting.ts';
import { body, countRecords, onceEach, startLoad } from '../support/batches.ts';
import { createClient } from '../support/client.ts';
import { REPOSITORY } from '../support/service.ts';
import { eventually } from '../support/storage.ts';
import type { Container, Containers } from './containers.ts';
import { docker, runOn } from './docker.ts';

/** The user `node` of the image. */
const UID = 1000;
const BATCHES_UNDER_LOAD = 200;
/** Of the compose file: its stop_grace_period. */
const GRACE_SECONDS = 40;
const MEMORY_LIMIT = 512 * 1024 * 1024;

/** Version 1 as a user runs it: hardened, on a volume, stopped and killed by the engine. */
export function describeVersion1(own: () => Containers): void {
  it('serves its routes without rights and without a writable root', async () => {
    const container = await own().start({ data: await own().volume() });
    const client = createClient(container.port);
    expect(await client.post(await readFile(join(REPOSITORY, 'testdata/sample_logs.json')))).toMatchObject({
      status: 202,
      body: '{"accepted":10}',
    });
    expect((await client.get('/ready')).status).toBe(200);
    expect((await client.get('/metrics')).body).toContain('\nlogforge_ready 1\n');
    expect((await client.get('/')).body).toContain('<title>');
    client.close();
    await expect(container.exec('touch', '/app/file')).rejects.toThrow('Read-only file system');
    expect(await container.exec('sh', '-c', 'grep CapEff /proc/1/status')).toMatch(/CapEff:\s+0+$/);
    expect(await container.exec('id', '--user')).toBe(String(UID));
  });

  it('writes its log as JSON lines to standard error, and nothing to standard output', async () => {
    const container = await own().start({ data: await own().volume() });
    const { stdout, stderr } = await container.logs();
    expect(stdout).toBe('');
    const lines = stderr.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).msg)).toContain('listening');
  });

  it('is process 1 itself, without a shell before it, and ends well on SIGINT too', async () => {
    const container = await own().start({ data: await own().volume() });
    const command = await container.exec('sh', '-c', "tr '\\0' ' ' < /proc/1/cmdline");
    expect(command).toMatch(/node .*\/app\/dist\/cli\/main\.js serve /);
    await docker(own().engine, 'kill', '--signal', 'INT', container.name);
    expect(await docker(own().engine, 'wait', container.name)).toBe('0');
  });

  it('keeps its records on a named volume when the container is removed', async () => {
    const { engine, image } = own();
    const data = await own().volume();
    const first = await own().start({ data });
    await send(first, 1);
    await own().remove(first);
    const second = await own().start({ data });
    await send(second, 2);
    await docker(engine, 'stop', second.name);
    expect(await own().withData(second, countRecords)).toEqual(onceEach([1, 2]));
    const verify = ['run', '--rm', '--network', 'none', '--volume', `${data}:/data`, image, 'verify'];
    expect(await docker(engine, ...verify, '--config', '/app/config/examples/config.v1.yaml')).toContain(
      'no damage found',
    );
  });

  it('keeps its records in a folder of the machine that belongs to its user', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'logforge-bind-'));
    await chown(folder, UID, UID);
    const container = await own().start({ data: folder });
    await send(container, 1);
    await docker(own().engine, 'stop', container.name);
    expect(await own().withData(container, countRecords)).toEqual(onceEach([1]));
    await rm(folder, { recursive: true });
  });

  it('says which folder it cannot write, and to whom it must belong, and is ready once it does', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'logforge-bind-'));
    await chmod(folder, 0o755);
    const container = await own().start({ data: folder, until: 'listening' });
    const client = createClient(container.port);
    expect(await client.get('/ready')).toMatchObject({ status: 503 });
    expect((await client.post(body(1))).status).toBe(503);
    const { stderr } = await container.logs();
    expect(stderr).toContain('cannot make folder=/data/state: EACCES');
    expect(stderr).toContain(`runs as uid ${UID} and must own its folders`);
    await chown(folder, UID, UID);
    await eventually(async () => expect((await client.get('/ready')).status).toBe(200));
    expect((await client.post(body(2))).status).toBe(202);
    client.close();
    await own().remove(container);
    await rm(folder, { recursive: true });
  });

  it('does not start on a folder that it cannot look into, because it may hold records', async () => {
    const { engine, image } = own();
    const folder = await mkdtemp(join(tmpdir(), 'logforge-bind-'));
    const run = ['docker', 'run', '--rm', '--network', 'none', '--volume', `${folder}:/data`, image] as const;
    const { code, stderr } = await runOn(engine, run);
    expect(code).toBe(1);
    expect(stderr).toContain('cannot read folder=/data/state: EACCES');
    expect(stderr).toContain(`runs as uid ${UID} and must own its folders`);
    await rm(folder, { recursive: true });
  });

  it('drains on docker stop under load, exits with 0 in time and loses nothing', async () => {
    const container = await own().start({ data: await own().volume() });
    const load = startLoad(container, { clients: 16 });
    await eventually(() => expect(load.acknowledged.size).toBeGreaterThan(BATCHES_UNDER_LOAD));
    const begin = performance.now();
    await docker(own().engine, 'stop', '--time', String(GRACE_SECONDS), container.name);
    // Beyond the grace period the engine would have killed it, with 137.
    expect(performance.now() - begin).toBeLessThan(GRACE_SECONDS * 1000);
    await load.stop();
    expect(await container.state()).toMatchObject({ Running: false, ExitCode: 0, OOMKilled: false });
    expect((await container.logs()).stderr).toContain('"stopped"');
    expectStored(await own().withData(container, countRecords), load);
  });

  it('has every acknowledged batch once after docker kill under load and a restart', async () => {
    const container = await own().start({ data: await own().volume() });
    const load = startLoad(container, { clients: 16 });
    await eventually(() => expect(load.acknowledged.size).toBeGreaterThan(BATCHES_UNDER_LOAD));
    await docker(own().engine, 'kill', container.name);
    await load.stop();
    expect(await container.state()).toMatchObject({ Running: false, ExitCode: 137 });
    await docker(own().engine, 'start', container.name);
    const restarted = await own().again(container);
    const client = createClient(restarted.port);
    await readBalancedAccounting(client);
    client.close();
    await docker(own().engine, 'stop', container.name);
    expectStored(await own().withData(container, countRecords), load);
  });

  it('stays below a memory limit of 512 MiB under load', async () => {
    const limit = ['--memory', String(MEMORY_LIMIT), '--memory-swap', String(MEMORY_LIMIT)];
    const container = await own().start({ data: await own().volume(), docker: limit });
    const client = createClient(container.port, { connections: 32 });
    const large = Buffer.from(body(1, 100_000));
    const answers = await Promise.all(Array.from({ length: 64 }, () => client.post(large)));
    // At its own limit of bytes in flight it answers 503.
    const stored = answers.filter(({ status }) => status === 202).length;
    expect(answers.filter(({ status }) => status !== 202 && status !== 503)).toEqual([]);
    expect(stored).toBeGreaterThan(8);
    client.close();
    expect(await container.state()).toMatchObject({ Running: true, OOMKilled: false });
    const [limited, peakKib = Number.NaN] = (await container.exec('sh', '-c', READ_MEMORY)).split(/\s+/).map(Number);
    process.stderr.write(
      `image: memory peak ${Math.round(peakKib / 1024)} MiB of 512 MiB, ${stored} of 64 bodies of ${large.length} bytes stored\n`,
    );
    expect(limited).toBe(MEMORY_LIMIT);
    expect(peakKib * 1024).toBeLessThan(MEMORY_LIMIT);
  });

  it('reaps foreign processes with --init, as the compose file runs it', async () => {
    const container = await own().start({ data: await own().volume(), docker: ['--init'] });
    await container.exec('sh', '-c', 'true & exec true');
    await eventually(async () => {
      const said = await container.exec('sh', '-c', 'grep -l "^State:.Z" /proc/[0-9]*/status || true');
      expect(said).toBe('');
    });
    await docker(own().engine, 'stop', container.name);
    expect(await container.state()).toMatchObject({ ExitCode: 0 });
  });
}

/** The limit of cgroup version 1 or 2, and the peak of the service itself in KiB: the page cache fills the limit and may. */
const READ_MEMORY =
  'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes 2>/dev/null || cat memory.max; sed -n "s/^VmHWM:[[:space:]]*\\([0-9]*\\) kB/\\1/p" /proc/1/status';

async function send(container: Container, id: number): Promise<void> {
  const client = createClient(container.port);
  expect(await client.post(body(id), { 'Idempotency-Key': randomUUID() })).toMatchObject({ status: 202 });
  client.close();
}

/** Every acknowledged batch is stored once, and any other stored batch is whole and had no clear answer. */
function expectStored(
  stored: ReadonlyMap<string, number>,
  { acknowledged, unclear, others }: ReturnType<typeof startLoad>,
) {
  // 0 is a connection that ended without an answer.
  expect(others.filter((answer) => !answer.startsWith('0 '))).toEqual([]);
  const ids = new Set([...stored.keys()].map((record) => Number(record.split('/')[0])));
  expect([...ids].filter((id) => !acknowledged.has(id) && !unclear.has(id))).toEqual([]);
  expect(stored).toEqual(onceEach(new Set([...acknowledged, ...ids])));
}
