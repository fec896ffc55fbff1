import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/*
 * File descriptors are shared by connections, data files and everything else of the process. Without any left, neither a
 * connection can be accepted nor a new hour be stored. So both get a share of what the operating system allows.
 */

/** How many descriptors the process may have open, and who may have them. */
export interface DescriptorShares {
  readonly limit: number;
  /** Data files held open. */
  readonly files: number;
  /** Connections of all clients, of HTTP and of inputs. */
  readonly connections: number;
}

/** More open data files than this make nothing faster. */
const MOST_FILES = 1_024;
const LEAST_FILES = 8;
const LEAST_CONNECTIONS = 8;
/** For the journal, summaries, syncs, pipes, the listening socket and what Node.js itself opens. */
const RESERVED = 64;
/** The event loop of a thread, and the files that it reads. */
const RESERVED_PER_THREAD = 16;
/** What a POSIX system allows where it does not say. */
const DEFAULT_LIMIT = 256;
/** `unlimited`, and limits that no service reaches. */
const MOST = 1_048_576;
/** Readiness fails when fewer are left: a commit opens a few files at a time. */
const LEAST_FREE = 8;

/** Divides `limit`: half of what is not reserved for connections, as far as they may be so many; the rest for files. */
export function shareDescriptors(options: {
  readonly limit: number;
  readonly maxConnections: number;
  readonly threads: number;
}): DescriptorShares {
  const { limit, maxConnections, threads } = options;
  const reserved = Math.min(RESERVED + RESERVED_PER_THREAD * threads, Math.floor(limit / 2));
  const free = limit - reserved;
  const files = Math.max(LEAST_FILES, Math.min(MOST_FILES, Math.max(Math.floor(free / 2), free - maxConnections)));
  const connections = Math.max(LEAST_CONNECTIONS, Math.min(maxConnections, free - files));
  return { limit, files, connections };
}

/** Divides connections among those who want them: each gets as many as the others, as far as it wants so many, and one at least. */
export function divideConnections(connections: number, wanted: readonly number[]): number[] {
  const shares = wanted.map(() => 0);
  let left = connections;
  const least = wanted.map((_, index) => index).toSorted((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  for (const [served, index] of least.entries()) {
    const want = wanted[index] ?? 0;
    const share = Math.min(want, Math.max(1, Math.floor(left / (wanted.length - served))));
    shares[index] = share;
    left -= share;
  }
  return shares;
}

/** The soft limit of this process. Node.js raises it to the hard limit before any code runs. */
export function readDescriptorLimit(
  read: () => string = () => readFileSync('/proc/self/limits', 'utf8'),
  ask: () => string = () => execFileSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }),
): number {
  const sources = [() => /^Max open files\s+(\S+)/m.exec(read())?.[1], () => ask().trim()];
  for (const source of sources) {
    try {
      const text = source();
      if (text === 'unlimited') return MOST;
      const limit = Number(text);
      if (Number.isSafeInteger(limit) && limit > 0) return Math.min(limit, MOST);
    } catch {
      // Not Linux, or no shell.
    }
  }
  return DEFAULT_LIMIT;
}

/** Throws when the process has hardly a descriptor left. Where the system does not say how many are open, it passes. */
export function checkDescriptors(
  limit: number,
  list: () => readonly string[] = () => readdirSync('/proc/self/fd'),
): void {
  let open: number;
  try {
    open = list().length;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EMFILE' || code === 'ENFILE') throw new Error(`no file descriptor is left (limit ${limit})`);
    return;
  }
  if (limit - open < LEAST_FREE) throw new Error(`${open} of ${limit} file descriptors are open`);
}
