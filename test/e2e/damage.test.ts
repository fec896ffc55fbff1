import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createClient } from '../support/client.ts';
import { runLogforge } from '../support/run.ts';
import { makeDirs, removeDirs, serviceEnv, startService } from '../support/service.ts';
import { readHourFiles } from '../support/storage.ts';
import { readMetric } from '../support/version2.ts';

/* A damaged commit journal, from the kill to the check that it is mended. */

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe('a commit journal that is damaged while the service is down', () => {
  it('costs no answered record, and is told by the log, a metric, /ready and verify until it is mended', async () => {
    const dirs = await makeDirs();
    cleanups.push(() => removeDirs(dirs));
    const start = async () => {
      const service = await startService({ dirs });
      cleanups.push(() => service.stop('SIGKILL'));
      return service;
    };
    const first = await start();
    const client = createClient(first.port);
    const lines = Array.from(
      { length: 60 },
      (_, n) => `{"timestamp":"2015-05-17T10:00:00Z","path":"/${n}","userAgent":"a"}`,
    );
    for (const line of lines) {
      expect((await client.post(line, { 'content-type': 'application/x-ndjson' })).status).toBe(202);
    }
    client.close();
    await first.stop('SIGKILL');

    const [name = ''] = readdirSync(dirs.state).filter((each) => each.startsWith('journal-'));
    const path = join(dirs.state, name);
    const bytes = readFileSync(path);
    const middle = Math.floor(bytes.findLastIndex((byte) => byte !== 0) / 2);
    writeFileSync(path, bytes.fill(7, middle, middle + 30));

    const second = await start();
    expect([...(await readHourFiles(dirs)).values()].map(String)).toEqual([`${lines.join('\n')}\n`]);
    expect(second.logs()).toMatch(/"level":"error".*the commit journal is damaged; records stay in their files/);
    expect((await readMetric(second, 'logforge_storage_damage_total')).get('{kind="journal"}')).toBe(1);
    const ready = async (port: number) => {
      const answer = await fetch(`http://127.0.0.1:${port}/ready`);
      return { status: answer.status, ...((await answer.json()) as { checks: Record<string, unknown> }) };
    };
    expect(await ready(second.port)).toMatchObject({
      status: 'ready',
      checks: { damage: { ok: true, detail: expect.stringContaining('damage was found in 1 places (journal)') } },
    });
    expect(await second.stop()).toEqual({ code: 0, signal: null });

    const env = serviceEnv(dirs);
    expect((await runLogforge(['verify'], { env })).code).toBe(1);
    expect((await runLogforge(['verify', '--repair'], { env })).code).toBe(0);
    const third = await start();
    expect((await ready(third.port)).checks).not.toHaveProperty('damage');
    expect(await third.stop()).toEqual({ code: 0, signal: null });
  });

  it('of a later version stops the start with status 1 and is not changed', async () => {
    const dirs = await makeDirs();
    cleanups.push(() => removeDirs(dirs));
    const path = join(dirs.state, 'journal-00000001.log');
    writeFileSync(path, 'LFJRNL3\nmore');
    const { code, stderr } = await runLogforge(['serve', '--addr', '127.0.0.1:0'], { env: serviceEnv(dirs) });
    expect([code, readFileSync(path, 'latin1')]).toEqual([1, 'LFJRNL3\nmore']);
    expect(stderr).toContain('a later version of logforge wrote it (its form is LFJRNL3');
    expect(readdirSync(dirs.state).filter((each) => !each.startsWith('.'))).toEqual(['journal-00000001.log']);
  });
});
