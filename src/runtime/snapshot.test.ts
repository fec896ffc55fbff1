import { once } from 'node:events';
import { createServer } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createProfiler, type Profiler } from './profiler.ts';
import { renderSnapshot } from './snapshot.ts';

const SNAPSHOT = new URL('./snapshot.ts', import.meta.url).href;

let profiler: Profiler;
let workers: Worker[];

beforeEach(() => {
  workers = [];
  profiler = createProfiler({ log: { info: () => undefined, warn: () => undefined } });
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.terminate()));
  profiler.close();
});

/** A worker that runs `code` after its first message. */
async function startWorker(name: string, code: string): Promise<void> {
  const program = `
    import { parentPort } from 'node:worker_threads';
    import { answerSnapshots } from '${SNAPSHOT}';
    answerSnapshots();
    parentPort.postMessage('ready');
    ${code}`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), { name });
  workers.push(worker);
  await once(worker, 'message');
}

describe('a snapshot', () => {
  it('shows what a busy thread runs, and what an idle one waits for', async () => {
    // A new function each time, because V8 hides in a profile what it has inlined before.
    const spin = 'return function spin() { const end = Date.now() + 20; while (Date.now() < end); }';
    await startWorker('busy', `setInterval(() => new Function(${JSON.stringify(spin)})()(), 0);`);
    await startWorker('idle', 'setInterval(() => {}, 60_000); setInterval(() => {}, 60_000);');
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;

    const { threads } = await profiler.snapshot();
    server.close();
    const [main, busy, idle] = threads;
    expect(threads.map(({ thread }) => thread)).toEqual(['main', 'busy', 'idle']);
    expect(main?.handles).toMatchObject({ [`tcp listening 127.0.0.1:${port}`]: 1 });
    expect(main?.requests).toMatchObject({ TCPServerWrap: 1 });
    expect(busy?.stacks[0]?.frames[0]).toContain('spin');
    expect(idle?.requests).toMatchObject({ Timeout: 2 });
    expect(idle?.idle).toBeGreaterThan((idle?.samples ?? 0) / 2);
  });

  it('shows the stack of a thread that is blocked by its own code', async () => {
    await startWorker('blocked', 'setTimeout(function hang() { for (;;); }, 1);');
    const { threads } = await profiler.snapshot();
    const blocked = threads.find(({ thread }) => thread === 'blocked');
    expect(blocked?.requests).toBeUndefined();
    expect(blocked?.stacks[0]?.frames.join()).toContain('hang');
  });

  it('has no environment and no command line in it', async () => {
    process.env.SNAPSHOT_SECRET = 'a-secret-of-the-environment';
    const text = JSON.stringify(await profiler.snapshot());
    delete process.env.SNAPSHOT_SECRET;
    expect(text).not.toContain('a-secret-of-the-environment');
    expect(text).not.toContain('commandLine');
  });

  it('is written as text', () => {
    const text = renderSnapshot({
      time: '2026-01-01T00:00:00.000Z',
      pid: 7,
      node: 'v26.0.0',
      uptimeSeconds: 3,
      threads: [
        {
          thread: 'main',
          samples: 80,
          idle: 70,
          stacks: [{ samples: 10, frames: ['inner (a.ts:1)', 'outer (b.ts:2)'] }],
          handles: { timer: 1, 'tcp connection': 3 },
          requests: undefined,
        },
      ],
    });
    expect(text).toBe(
      [
        '2026-01-01T00:00:00.000Z pid 7 node v26.0.0 up 3 s',
        '',
        'thread main',
        '  runs (80 samples in 100 ms, 70 idle)',
        '      10  inner (a.ts:1)',
        '          outer (b.ts:2)',
        '  handles',
        '       3  tcp connection',
        '       1  timer',
        '  requests: the thread did not answer',
        '',
      ].join('\n'),
    );
  });
});
