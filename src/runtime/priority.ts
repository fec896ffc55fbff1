import { setPriority } from 'node:os';

/**
 * Where all cores are busy, the threads that read requests go before this one: `niceness` from 0, as they are, to 19, the last. On Linux 0
 * names the calling thread alone; elsewhere it would be the whole process, and nothing happens.
 */
export function yieldToOthers(niceness: number): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(0, niceness);
  } catch {
    // Not permitted: then the threads share the cores as equals.
  }
}
