import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { body } from '../support/batches.ts';
import { createClient } from '../support/client.ts';
import { type Engine, HOST_GATEWAY, NoEngineError, startEngine } from '../support/docker-engine.ts';
import type { Finished } from '../support/run.ts';
import { REPOSITORY, removeDirs, startService } from '../support/service.ts';
import { eventually } from '../support/storage.ts';
import { ensureBaseImage } from './base-image.ts';
import { composeEnv, ensureCompose, makePublicImages, writeOverride } from './compose-stack.ts';
import { runOn } from './docker.ts';

/*
 * docker-compose.yml by `make stack-up` and `make infra-up`, on an engine of the tests. Kafka and Prometheus run real programs in
 * stand-ins for their images. `make test-image` runs this; it needs go, which builds Docker Compose once.
 */
const SETUP_TIMEOUT_MS = 1_200_000;

let engine: Engine | undefined;
let folder = '';
let whyNot: string | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'logforge-compose-'));
  try {
    engine = await startEngine();
  } catch (error) {
    if (!(error instanceof NoEngineError)) throw error;
    whyNot = error.message;
    process.stderr.write(`compose: skipped: ${whyNot}\n`);
    return;
  }
  await ensureCompose(engine);
  process.stderr.write(`compose: on ${await ensureBaseImage(engine)}\n`);
  // A file of this repository, which compose itself checks below.
  const { services } = parse(await readFile(join(REPOSITORY, 'docker-compose.yml'), 'utf8')) as {
    readonly services: Readonly<Record<'kafka' | 'prometheus', { readonly image: string }>>;
  };
  await makePublicImages(engine, { kafka: services.kafka.image, prometheus: services.prometheus.image });
  await writeOverride(join(folder, 'override.yml'));
}, SETUP_TIMEOUT_MS);

beforeEach(({ skip }) => skip(whyNot !== undefined, whyNot));

afterAll(async () => {
  if (engine !== undefined) await run('docker', 'compose', 'down', '--volumes', '--timeout', '5');
  await engine?.stop();
  await rm(folder, { recursive: true, force: true });
});

function run(program: string, ...args: readonly string[]): Promise<Finished> {
  if (engine === undefined) throw new Error('no engine runs');
  return runOn(engine, [program, ...args], { cwd: REPOSITORY, env: composeEnv(join(folder, 'override.yml')) });
}

async function succeed(program: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, ...args);
  if (code === 0) return stdout.trim();
  const logs = await run('docker', 'compose', 'logs', '--tail', '20');
  throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stdout}${stderr}\n${logs.stdout}`);
}

async function portOf(service: string, port: number): Promise<number> {
  const said = await succeed('docker', 'compose', 'port', service, String(port));
  return Number(said.slice(said.lastIndexOf(':') + 1));
}

/** Each service that runs, with its health. */
async function running(): Promise<Record<string, string>> {
  const said = await succeed('docker', 'compose', 'ps', '--format', '{{.Service}} {{.Health}}');
  return Object.fromEntries(said.split('\n').map((line) => [line.split(' ')[0], line.split(' ')[1] ?? '']));
}

/** The value of `up` by instance, from the Prometheus of the stack. */
async function targets(): Promise<Record<string, string>> {
  const url = `http://127.0.0.1:${await portOf('prometheus', 9090)}/api/v1/query?query=up`;
  // The documented answer of Prometheus.
  const { data } = (await (await fetch(url)).json()) as {
    readonly data: { readonly result: readonly { metric: { instance: string }; value: [number, string] }[] };
  };
  return Object.fromEntries(data.result.map(({ metric, value }) => [metric.instance, value[1]]));
}

async function alerts(): Promise<unknown> {
  const answer = await fetch(`http://127.0.0.1:${await portOf('prometheus', 9090)}/api/v1/alerts`);
  return answer.json();
}

async function acceptsABatch(port: number): Promise<void> {
  const client = createClient(port);
  expect(await client.post(body(1))).toMatchObject({ status: 202 });
  client.close();
}

describe('make stack-up', () => {
  it('starts what docker compose finds valid, and waits until all of it is healthy', { timeout: 600_000 }, async () => {
    await succeed('docker', 'compose', 'config', '--quiet');
    await succeed('make', 'stack-up');
    expect(await running()).toEqual({ kafka: 'healthy', 'app-v1': 'healthy', 'app-v2': 'healthy', prometheus: '' });
    await acceptsABatch(await portOf('app-v1', 8082));
    await acceptsABatch(await portOf('app-v2', 8083));
    await eventually(
      async () => expect(await targets()).toMatchObject({ 'app-v1:8082': '1', 'app-v2:8083': '1' }),
      60_000,
    );
  });

  it('turns unhealthy while /ready is 503, and healthy again', async () => {
    const fill = await run('docker', 'compose', 'exec', '-T', 'app-v1', 'dd', 'if=/dev/zero', 'of=/data/fill', 'bs=1M');
    expect(fill.stderr).toContain('No space left on device');
    await eventually(async () => expect((await running())['app-v1']).toBe('unhealthy'), 60_000);
    await succeed('docker', 'compose', 'exec', '-T', 'app-v1', 'rm', '/data/fill');
    await eventually(async () => expect((await running())['app-v1']).toBe('healthy'), 60_000);
  });

  it('stops in order, and stack-down keeps the volumes', async () => {
    const events = await succeed('docker', 'compose', 'stop', 'app-v1', 'app-v2').then(() =>
      succeed('docker', 'compose', 'ps', '--all', '--format', '{{.Service}} {{.ExitCode}}', 'app-v1', 'app-v2'),
    );
    expect(events.split('\n').sort()).toEqual(['app-v1 0', 'app-v2 0']);
    await succeed('make', 'stack-down');
    expect(await succeed('docker', 'volume', 'ls', '--quiet')).toContain('logforge-test_v2-data');
  });
});

describe('make infra-up', () => {
  it('scrapes a service outside the containers, and alerts for none of the targets that do not run', async () => {
    await succeed('docker', 'compose', 'down', '--volumes');
    await succeed('make', 'infra-up');
    expect(await running()).toEqual({ kafka: 'healthy', prometheus: '' });
    const service = await startService({ args: ['--addr', `${HOST_GATEWAY}:8082`] });
    const expected = {
      'host.docker.internal:8082': '1',
      'host.docker.internal:8083': '0',
      'app-v1:8082': '0',
      'app-v2:8083': '0',
    };
    await eventually(async () => expect(await targets()).toEqual(expected), 60_000);
    expect(await alerts()).toMatchObject({ data: { alerts: [] } });
    await service.stop();
    await removeDirs(service.dirs);
    await succeed('make', 'infra-down');
  });
});
