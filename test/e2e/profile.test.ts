import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Dirs, launch, makeDirs, removeDirs, startService } from '../support/service.ts';

const RECORD = '{"timestamp":"2025-11-22T15:23:00Z","path":"/home","userAgent":"curl/8"}';
const made: Dirs[] = [];

afterEach(async () => {
  await Promise.all(made.splice(0).map(removeDirs));
});

async function newDirs(): Promise<Dirs> {
  const dirs = await makeDirs('logforge-profile-');
  made.push(dirs);
  return dirs;
}

function profilesIn(dirs: Dirs): string[] {
  return readdirSync(join(dirs.root, 'profiles')).sort();
}

describe('PROFILE_CAPTURE', () => {
  it('leaves the profiles of every thread when the service is stopped', async () => {
    const dirs = await newDirs();
    const env = { PROFILE_CAPTURE: '1', PROFILE_NAME: 'run', LOGFORGE_SERVER_THREADS: '2' };
    const service = await startService({ dirs, env });
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(`${service.url}/logs`, { method: 'POST', headers, body: `[${RECORD}]` });
    expect(answer.status).toBe(202);
    expect(await service.stop('SIGINT')).toEqual({ code: 0, signal: null });
    const profiles = profilesIn(dirs);
    expect(profiles).toContain('cpu_run.cpuprofile');
    expect(profiles).toContain('heap_run.heapprofile');
    expect(profiles).toContain('cpu_run.http-worker.cpuprofile');
    expect(profiles).toContain('cpu_run.http-worker-2.cpuprofile');
  });

  it('leaves those of the main thread when a second signal ends it in haste', async () => {
    const dirs = await newDirs();
    const service = await startService({ dirs, env: { PROFILE_CAPTURE: '1' } });
    const client = connect(service.port, '127.0.0.1');
    client.on('error', () => undefined);
    // A request without its body, so that the stop has something to wait for.
    const head = 'POST /logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n';
    const asked = new Promise((resolve) => client.once('data', resolve));
    client.write(`${head}Content-Length: 100\r\n\r\n`);
    await asked;
    service.signal('SIGTERM');
    await expect.poll(() => service.logs(), { timeout: 10_000 }).toContain('"stopping"');
    expect(await service.stop('SIGTERM')).toEqual({ code: 143, signal: null });
    client.destroy();
    expect(profilesIn(dirs)).toEqual(['cpu_v1.cpuprofile', 'heap_v1.heapprofile']);
  });
});

describe('PROFILE_ENABLED', () => {
  it('serves profiles on a port of its own while the service runs', async () => {
    const dirs = await newDirs();
    const service = await startService({ dirs, env: { PROFILE_ENABLED: '1', PROFILE_ADDR: '127.0.0.1:0' } });
    const url = /"url":"([^"]+)"/.exec(service.logs())?.[1] ?? '';
    const profile = (await (await fetch(`${url}profile?seconds=0.2`)).json()) as { nodes: unknown[] };
    expect(profile.nodes.length).toBeGreaterThan(1);
    const heap = (await (await fetch(`${url}heap`)).json()) as { head: unknown };
    expect(heap).toHaveProperty('head.children');
    expect((await fetch(`${service.url}/debug/pprof/heap`)).status).toBe(404);
    expect(await service.stop()).toEqual({ code: 0, signal: null });
  });

  it('refuses an address that others can reach, and starts nothing', async () => {
    const dirs = await newDirs();
    const { exited, logs } = launch({ dirs, env: { PROFILE_ENABLED: '1', PROFILE_ADDR: '0.0.0.0:6062' } });
    expect(await exited).toEqual({ code: 78, signal: null });
    expect(logs()).toContain('PROFILE_ADDR: expected a loopback address');
    expect(readdirSync(dirs.logs)).toEqual([]);
  });
});
