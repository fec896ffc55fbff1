import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** The name by which ONLY asks for it. */
export const DISK_MODEL = 'disk-model';
const PARTS = ['store', 'spool'];

/**
 * Histories of the store and then of the spool on the model of the disk (test/disk-model), other ones in every run, for so
 * many minutes in all. They need the clock of the test runner, so each runs in a process of its own. Resolves with how many
 * of the two have failed; each has then told the failing history and the command that runs it again.
 */
export async function fuzzDiskModel({ minutes, seed }: { minutes: number; seed: number }): Promise<number> {
  let failed = 0;
  for (const part of PARTS) {
    const file = `test/disk-model/${part}.test.ts`;
    const env = { ...process.env, FUZZ_MINUTES: String(minutes / PARTS.length), DISK_MODEL_SEED: String(seed) };
    console.log(`\n${DISK_MODEL}: ${part}, seed ${seed}`);
    const child = spawn('node_modules/.bin/vitest', ['run', file, '--maxWorkers=1'], { env, stdio: 'inherit' });
    const [status] = await once(child, 'exit');
    if (status === 0) continue;
    failed++;
    console.log(
      `to run it again, with the path from above: DISK_MODEL_SEED=${seed} DISK_MODEL_PATH=<path> vitest run ${file}`,
    );
  }
  return failed;
}
