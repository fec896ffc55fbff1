import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { createClient } from '../support/client.ts';
import { runLogforge, runProgram } from '../support/run.ts';
import { cleanEnv, type Dirs, makeDirs, REPOSITORY, removeDirs, serviceEnv, startService } from '../support/service.ts';

vi.setConfig({ testTimeout: 60_000 });

const HOURS = ['2015-05-17T10', '2015-05-17T11', '2015-05-18T00'];
const CLIENTS = 8;

const folders: Dirs[] = [];
afterEach(async () => {
  for (const dirs of folders.splice(0)) await removeDirs(dirs);
});

interface Sent {
  readonly id: number;
  readonly body: string;
  readonly key: string;
  readonly records: number;
}

/** Batches over several hours, small ones and some that are synced in their own files. */
function makeBatch(id: number): Sent {
  const records = id % 7 === 0 ? 2_000 : 1 + (id % 20);
  const lines = Array.from({ length: records }, (_, i) => {
    const hour = HOURS[(id + i) % HOURS.length];
    return `{"timestamp":"${hour}:05:00Z","path":"/${'x'.repeat(150)}","userAgent":"a","id":"${id}/${i}"}`;
  });
  return { id, body: `[${lines.join()}]`, key: randomUUID(), records };
}

/** How often each record is in the hour files. */
function countRecords({ logs }: Dirs): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of readdirSync(logs, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.log.json')) continue;
    const lines = readFileSync(join(logs, name), 'utf8').split('\n');
    if (lines.pop() !== '') throw new Error(`no whole line at the end of ${name}`);
    for (const line of lines) {
      const { id } = JSON.parse(line) as { id: string };
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  }
  return counts;
}

/** Waits until more was written: files that were copied later are longer than the journal says. */
const WAIT_FOR_WRITES = [
  'bytes() { du -sb "$src/logs" | cut -f1; }',
  'copied=$(bytes)',
  'until [ "$(bytes)" -gt "$copied" ]; do sleep 0.05; done',
].join('\n');

/** The lines of docs/operations.md, for these folders, with writes between the state and the records. */
function backupScript(from: string, to: string): string {
  const page = readFileSync(join(REPOSITORY, 'docs/operations.md'), 'utf8');
  const [, script = ''] = /<!-- backup:begin -->\n```sh\n([\s\S]*?)```/.exec(page) ?? [];
  return script
    .replace('src=/var/lib/logforge', `src=${from}`)
    .replace('dst=/backup/logforge', `dst=${to}`)
    .replace('\ncd "$src"', `\n${WAIT_FOR_WRITES}\ncd "$src"`);
}

const post = (client: ReturnType<typeof createClient>, { body, key }: Sent) =>
  client.post(body, { 'Idempotency-Key': key });

it('a store that is copied while it runs has all that was answered before, and once again all that is sent again', async () => {
  const [dirs, copy] = [await makeDirs(), await makeDirs()];
  folders.push(dirs, copy);
  const service = await startService({ dirs });
  const client = createClient(service.port, { connections: CLIENTS });
  const answered: Sent[] = [];
  let [nextId, isOver] = [0, false];
  const work = async () => {
    while (!isOver) {
      const sent = makeBatch(nextId++);
      const { status } = await post(client, sent);
      if (status === 202) answered.push(sent);
    }
  };
  const load = Promise.all(Array.from({ length: CLIENTS }, work));
  await vi.waitFor(() => expect(answered.length).toBeGreaterThan(150), { timeout: 20_000 });
  const before = answered.slice();
  const copied = await runProgram(['bash', '-e', '-o', 'pipefail', '-c', backupScript(dirs.root, copy.root)], {
    env: cleanEnv(),
  });
  expect([copied.code, copied.stderr.replace(/^cp: cannot stat .*\n/gm, '')]).toEqual([0, '']);
  const during = answered.length;
  await vi.waitFor(() => expect(answered.length).toBeGreaterThan(during + 50), { timeout: 20_000 });
  isOver = true;
  await load;
  client.close();
  await service.stop();
  const env = serviceEnv(copy);

  // Files are longer than the journal says. Only an entry that was copied while it was written may look damaged.
  const { stdout } = await runLogforge(['verify'], { env });
  expect(stdout).toMatch(/\.log\.json +\d+ lines, \d+ bytes beyond the committed length/);
  const damaged = stdout.split('\n').filter((line) => line.startsWith('DAMAGED'));
  expect(damaged.filter((line) => !line.includes('/journal-'))).toEqual([]);
  expect(await runLogforge(['verify', '--restored'], { env })).toMatchObject({ code: 0 });

  const found = countRecords(copy);
  expect([...found].filter(([, count]) => count > 1)).toEqual([]);
  const idsOf = ({ id, records }: Sent) => Array.from({ length: records }, (_, i) => `${id}/${i}`);
  expect(before.flatMap(idsOf).filter((id) => !found.has(id))).toEqual([]);
  if (damaged.length === 0) {
    // No batch is there in part.
    const parts = answered.filter((sent) => new Set(idsOf(sent).map((id) => found.has(id))).size > 1);
    expect(parts.map(({ id }) => id)).toEqual([]);
    expect(answered.length).toBeGreaterThan(before.length);
  }

  expect((await runLogforge(['aggregate', '--all', '--rebuild'], { env })).code).toBe(0);
  const restored = await startService({ dirs: copy });
  const range = 'from=2015-05-17T00&to=2015-05-19T00';
  const counted = await (await fetch(`${restored.url}/analytics?${range}`)).json();
  expect(counted).toMatchObject({ totalRequests: found.size });
  const again = createClient(restored.port, { connections: CLIENTS });
  for (let from = 0; from < answered.length; from += CLIENTS) {
    const statuses = await Promise.all(answered.slice(from, from + CLIENTS).map((sent) => post(again, sent)));
    expect(new Set(statuses.map(({ status }) => status))).toEqual(new Set([202]));
  }
  const ready = (await again.get('/ready')).body;
  again.close();
  expect(await restored.stop()).toEqual({ code: 0, signal: null });
  const all = countRecords(copy);
  expect(answered.flatMap(idsOf).filter((id) => all.get(id) !== 1 && damaged.length === 0)).toEqual([]);
  expect(JSON.parse(ready)).toMatchObject({ status: 'ready' });
  expect((await runLogforge(['verify'], { env })).code).toBe(0);
});
