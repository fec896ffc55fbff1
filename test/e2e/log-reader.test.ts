import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createClient } from '../support/client.ts';
import { cleanEnv, type Dirs, logforge, makeDirs, removeDirs, serviceEnv } from '../support/service.ts';
import { eventually } from '../support/storage.ts';

// How a reader of standard error that stops, or goes away, must not stop the service.

const RECORD = '[{"timestamp":"2015-05-17T10:00:00Z","path":"/","userAgent":"a"}]';

/** What the reader of a pipe does: it reads the first line, and then runs a command. */
const READERS = {
  'that stops reading': 'exec sleep 100',
  'that goes away': 'exit 0',
} as const;

interface Started {
  readonly port: number;
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly dirs: Dirs;
}

/** The service behind a pipe whose reader writes the first line to a file, then runs `then`. Or behind a socket that nobody reads. */
async function start(then: string | undefined, env: Record<string, string>): Promise<Started> {
  const dirs = await makeDirs();
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  const words = [...logforge('serve', '--addr', `127.0.0.1:${port}`)];
  const pipe = ['bash', '-c', `exec "$@" 2> >(read -r line; echo "$line" > first; ${then})`, 'bash', ...words];
  const [command = '', ...rest] = then === undefined ? words : pipe;
  const child = spawn(command, rest, {
    cwd: dirs.root,
    env: { ...cleanEnv(), ...serviceEnv(dirs, { LOGFORGE_LOGGING_ACCESS: 'true', ...env }) },
    stdio: ['ignore', 'ignore', then === undefined ? 'pipe' : 'ignore'],
    detached: true,
  });
  const exited = new Promise<number | null>((resolve) => void child.on('exit', resolve));
  onTestFinished(async () => {
    // The reader of the pipe, too: it is in the same group.
    if (child.pid !== undefined)
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {}
    child.stderr?.destroy();
    await exited;
    await removeDirs(dirs);
  });
  const client = createClient(port);
  await eventually(async () => expect((await client.get('/health')).status).toBe(200));
  client.close();
  return { port, child, exited, dirs };
}

async function postMany(port: number, count: number): Promise<number> {
  const client = createClient(port);
  // A long id fills the pipe sooner.
  const headers = { 'X-Request-Id': 'i'.repeat(100) };
  let accepted = 0;
  const work = async () => {
    for (let i = 0; i < count / 8; i++) if ((await client.post(RECORD, headers)).status === 202) accepted++;
  };
  await Promise.all(Array.from({ length: 8 }, work));
  client.close();
  return accepted;
}

async function dropped(port: number): Promise<number> {
  const client = createClient(port);
  const { body } = await client.get('/metrics');
  client.close();
  return Number(/^logforge_log_lines_dropped_total (\d+)$/m.exec(body)?.[1]);
}

/** Lines of 200 bytes: a pipe of 64 KiB is full after 330, the memory for 1 MiB after 5,500. */
const REQUESTS = 8_000;

describe.each(Object.entries(READERS))('with a reader of standard error %s', (_, then) => {
  it.each([1, 2])('goes on, counts the lines that it drops, and stops in time, on %i threads', async (threads) => {
    const { port, child, exited, dirs } = await start(then, { LOGFORGE_SERVER_THREADS: String(threads) });
    const many = threads === 1 ? REQUESTS : 2 * REQUESTS;
    expect(await postMany(port, many)).toBe(many);
    expect(await dropped(port)).toBeGreaterThan(0);
    expect(await readFile(join(dirs.root, 'first'), 'utf8')).toContain('"level"');
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
  });
});

it('goes on while nobody reads a socket, and tells the reader who comes back how many lines are missing', async () => {
  const { port, child, exited } = await start(undefined, {});
  expect(await postMany(port, REQUESTS)).toBe(REQUESTS);
  const lines = await dropped(port);
  expect(lines).toBeGreaterThan(0);
  const parts: Buffer[] = [];
  child.stderr?.on('data', (part: Buffer) => parts.push(part));
  const entries = () =>
    Buffer.concat(parts)
      .toString()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  const isTold = ({ msg }: { msg: string }) => msg.startsWith('log lines were dropped');
  await eventually(() => expect(entries().some(isTold)).toBe(true));
  // Its own line about GET /metrics was dropped after the count.
  const told = entries().filter(isTold);
  expect(told).toHaveLength(1);
  expect(told[0].lines).toBeGreaterThanOrEqual(lines);
  child.kill('SIGTERM');
  expect(await exited).toBe(0);
  await eventually(() => expect(entries().at(-1)).toMatchObject({ msg: 'stopped', clean: true }));
});
