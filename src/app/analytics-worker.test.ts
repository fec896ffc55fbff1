import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createSummariserThread } from '../analytics/summarise-thread.ts';
import { ACCESS_STREAM } from '../model/stream.ts';

/** Nice values of this process's threads. proc_pid_stat(5), field 19. */
function niceValues(): number[] {
  const tasks = readdirSync('/proc/self/task').map((id) => readFileSync(`/proc/self/task/${id}/stat`, 'utf8'));
  return tasks.map((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]));
}

describe.runIf(process.platform === 'linux')('the thread of the summaries', () => {
  it('lets those that take requests in go first', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'logforge-worker-'));
    const entry = new URL('./analytics-worker.ts', import.meta.url);
    const thread = createSummariserThread({
      entry,
      workerData: { analyticsDir: folder, durability: 'os', streams: [ACCESS_STREAM] },
      settles: false,
    });
    onTestFinished(async () => {
      await thread.stop();
      rmSync(folder, { recursive: true });
    });
    const own = getPriority();
    const before = niceValues().filter((nice) => nice > own).length;
    expect(await thread.summarise({ stream: 'access', hour: 0, path: join(folder, 'none'), bytes: 1 })).toMatchObject({
      outcome: 'missing',
    });
    expect(niceValues().filter((nice) => nice > own)).toHaveLength(before + 1);
    expect(getPriority()).toBe(own);
  });
});
