import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createProfiler, mendNames, type Profiler } from './profiler.ts';

const BUSY = `
  const { parentPort } = require('node:worker_threads');
  const kept = [];
  function work() { for (let i = 0; i < 1e5; i++) kept.push({ i }); if (kept.length > 3e6) kept.length = 0; }
  setInterval(work, 1);
  parentPort.postMessage('working');
`;

let dir: string;
let profiler: Profiler;
let workers: Worker[];
let warnings: string[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'logforge-profiler-'));
  workers = [];
  warnings = [];
  profiler = createProfiler({ log: { info: () => undefined, warn: (message) => void warnings.push(message) } });
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.terminate()));
  profiler.close();
  rmSync(dir, { recursive: true, force: true });
});

async function startWorker(name: string): Promise<Worker> {
  const worker = new Worker(BUSY, { eval: true, name });
  workers.push(worker);
  await once(worker, 'message');
  return worker;
}

function functionsIn(profile: string): string[] {
  const { nodes } = JSON.parse(profile) as { nodes: { callFrame: { functionName: string } }[] };
  return nodes.map(({ callFrame }) => callFrame.functionName);
}

function busyUntil(deadline: number): number {
  let sum = 0;
  while (performance.now() < deadline) sum += Math.sqrt(sum + 1);
  return sum;
}

const signal = new AbortController().signal;

describe('a CPU profile', () => {
  it('is JSON whatever its functions are called', () => {
    const odd = ['RegExp: ^\\/logs\\?"[\\t -~]', 'a\nb', 'plain'];
    const frames = odd.map((name) => `{"callFrame":{"functionName":"${name}","lineNumber":1,"url":""}}`);
    expect(functionsIn(mendNames(`{"nodes":[${frames.join(',')}]}`))).toEqual(odd);
    const whole = JSON.stringify({ nodes: [{ callFrame: { functionName: 'a\\b' } }] });
    expect(mendNames(whole)).toBe(whole);
  });

  it('of the main thread names the function that was busy', async () => {
    const profile = profiler.cpu({ thread: 'main', ms: 50, signal });
    busyUntil(performance.now() + 150);
    expect(functionsIn(await profile)).toContain('busyUntil');
  });

  it('of another thread names its function', async () => {
    await startWorker('http-worker');
    expect(profiler.threads()).toEqual(['main', 'http-worker']);
    expect(functionsIn(await profiler.cpu({ thread: 'http-worker', ms: 300, signal }))).toContain('work');
  });

  it('ends early when it is aborted', async () => {
    const abort = new AbortController();
    const profile = profiler.cpu({ thread: 'main', ms: 3_600_000, signal: abort.signal });
    abort.abort();
    expect(functionsIn(await profile)).toContain('(root)');
  });

  it('of a thread that is not there is refused', async () => {
    await expect(profiler.cpu({ thread: 'gone', ms: 1, signal })).rejects.toThrow('no such thread: "gone"');
  });
});

describe('threads', () => {
  it('of one name get different names, and are removed when they end', async () => {
    const first = await startWorker('http-worker');
    await startWorker('http-worker');
    await startWorker('main');
    expect(profiler.threads()).toEqual(['main', 'http-worker', 'http-worker-2', 'main-2']);
    await first.terminate();
    expect(profiler.threads()).toEqual(['main', 'http-worker-2', 'main-2']);
  });
});

describe('a heap profile', () => {
  it('of the main thread can be read again and again', async () => {
    const kept = Array.from({ length: 400_000 }, (_, i) => ({ i }));
    const first = JSON.parse(await profiler.heap('main')) as { head: { children: unknown[] } };
    const second = JSON.parse(await profiler.heap('main')) as { head: { children: unknown[] } };
    expect(first.head.children.length).toBeGreaterThan(0);
    expect(second.head.children.length).toBeGreaterThan(0);
    expect(kept).toHaveLength(400_000);
  });

  it('of another thread can be read twice', async () => {
    await startWorker('http-worker');
    await expect.poll(() => profiler.heap('http-worker').catch(() => ''), { timeout: 10_000 }).toContain('"head"');
    expect(await profiler.heap('http-worker')).toContain('"head"');
  });
});

describe('a capture', () => {
  it('writes a CPU and a heap profile of every thread', async () => {
    const capture = profiler.capture({ dir: join(dir, 'made'), name: 'v1' });
    await startWorker('http-worker');
    busyUntil(performance.now() + 50);
    // The heap profile of a thread is the last thing to begin in it.
    await expect.poll(() => profiler.heap('http-worker').catch(() => ''), { timeout: 10_000 }).toContain('"head"');
    await capture.writeThreads();
    capture.writeMain();
    expect(readdirSync(join(dir, 'made')).sort()).toEqual([
      'cpu_v1.cpuprofile',
      'cpu_v1.http-worker.cpuprofile',
      'goroutine_v1.txt',
      'heap_v1.heapprofile',
      'heap_v1.http-worker.heapprofile',
    ]);
    expect(functionsIn(readFileSync(join(dir, 'made/cpu_v1.cpuprofile'), 'utf8'))).toContain('busyUntil');
    expect(functionsIn(readFileSync(join(dir, 'made/cpu_v1.http-worker.cpuprofile'), 'utf8'))).toContain('work');
    expect(warnings).toEqual([]);
  });

  it('is written once, and a folder that is gone is a warning', () => {
    const capture = profiler.capture({ dir: join(dir, 'gone'), name: 'v1' });
    rmSync(join(dir, 'gone'), { recursive: true });
    capture.writeMain();
    capture.writeMain();
    expect(warnings).toEqual(['cannot write a profile']);
  });
});
