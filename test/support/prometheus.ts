import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensurePackage, isOnPath } from './debian.ts';

const run = promisify(execFile);

/** Exit status and all output. */
export async function promtool(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly output: string }> {
  try {
    const { stdout, stderr } = await run('promtool', args);
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code = -1, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
    return { code, output: stdout + stderr };
  }
}

/** Installs Debian's package when it is missing and the tests may. That takes long: allow INSTALL_TIMEOUT_MS. */
export async function ensurePrometheus(): Promise<void> {
  await ensurePackage('prometheus', () => isOnPath('prometheus') && isOnPath('promtool'));
}

export interface Prometheus {
  /** Answers an instant query. Rejects when the query itself is wrong. */
  query(expression: string): Promise<readonly Sample[]>;
  stop(): Promise<void>;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A Prometheus that scrapes these targets each second: job to `host:port`. */
export async function startPrometheus(targets: Readonly<Record<string, string>>): Promise<Prometheus> {
  const root = await mkdtemp(join(tmpdir(), 'logforge-prometheus-'));
  const jobs = Object.entries(targets).map(
    ([job, target]) => `  - { job_name: ${job}, static_configs: [{ targets: ["${target}"] }] }`,
  );
  const config = ['global: { scrape_interval: 1s, scrape_timeout: 1s }', 'scrape_configs:', ...jobs, ''];
  await writeFile(join(root, 'prometheus.yml'), config.join('\n'));
  const address = `127.0.0.1:${await freePort()}`;
  const flags = [
    `--config.file=${join(root, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(root, 'data')}`,
    `--web.listen-address=${address}`,
  ];
  const child = spawn('prometheus', flags, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async () => {
    child.kill();
    await ended;
    await rm(root, { recursive: true, force: true });
  };
  try {
    await waitUntilReady(address, () => child.exitCode === null);
  } catch (cause) {
    await stop();
    throw new Error(`cannot start Prometheus: ${said}`, { cause });
  }
  return { query: (expression) => query(address, expression), stop };
}

/** The port was free when it was chosen. No other program here chooses ports by number. */
async function freePort(): Promise<number> {
  const server = createServer();
  const bound = await new Promise<number>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address !== null && typeof address === 'object') resolve(address.port);
    });
  });
  await new Promise((resolve) => server.close(resolve));
  return bound;
}

const READY_TIMEOUT_MS = 60_000;

async function waitUntilReady(address: string, isRunning: () => boolean): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (isRunning() && Date.now() < deadline) {
    const answer = await fetch(`http://${address}/-/ready`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(isRunning() ? `not ready after ${READY_TIMEOUT_MS} ms` : 'it ended');
}

async function query(address: string, expression: string): Promise<readonly Sample[]> {
  const answer = await fetch(`http://${address}/api/v1/query?query=${encodeURIComponent(expression)}`);
  const body = (await answer.json()) as
    | { status: 'success'; data: { result: { metric: Record<string, string>; value: [number, string] }[] } }
    | { status: 'error'; error: string };
  if (body.status === 'error') throw new Error(`${expression}: ${body.error}`);
  return body.data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}
