import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** System calls of a process. */
export interface Calls {
  readonly total: number;
  /** The three that were made most, with their numbers. */
  readonly most: readonly (readonly [name: string, calls: number])[];
}

export interface Trace {
  /** Lets the process go. */
  stop(): Promise<Calls>;
}

/** Counts the system calls of all threads of a process from now on. Undefined where there is no strace, or where it may not look. */
export async function startTrace(pid: number): Promise<Trace | undefined> {
  const dir = await mkdtemp(join(tmpdir(), 'logforge-strace-'));
  const path = join(dir, 'summary');
  const child = spawn('strace', ['-c', '-f', '-o', path, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
  const { promise: attached, resolve } = Promise.withResolvers<boolean>();
  child.on('error', () => resolve(false));
  child.on('exit', () => resolve(false));
  // `strace: Process 12 attached with 11 threads`
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (text.includes(' attached')) resolve(true);
  });
  if (await attached) {
    return {
      async stop() {
        child.kill('SIGINT');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
        const summary = await readFile(path, 'utf8');
        await rm(dir, { recursive: true });
        return readSummary(summary);
      },
    };
  }
  await rm(dir, { recursive: true });
  return undefined;
}

/** Reads the table of `strace -c`: share, seconds, µs a call, calls, errors where there were any, name. */
export function readSummary(summary: string): Calls {
  const rows = [...summary.matchAll(/^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?([a-z]\w*)$/gm)];
  const calls = rows.map(([, count, name]): [string, number] => [name ?? '', Number(count)]);
  const each = calls.filter(([name]) => name !== 'total').sort(([, a], [, b]) => b - a);
  return { total: each.reduce((sum, [, count]) => sum + count, 0), most: each.slice(0, 3) };
}
