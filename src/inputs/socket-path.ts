import { chmodSync, existsSync, lstatSync, renameSync, type Stats, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { codeOf, isMissing } from '../disk/missing.ts';

/**
 * Makes room for a socket of ours at a path: removes one that nobody listens on, as a killed process leaves it. Rejects, with what to do,
 * where something else stands there.
 */
export async function clearSocketPath(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    // A bind would say EACCES.
    if (!existsSync(dirname(path)))
      throw new Error(`cannot listen on path=${path}: its folder does not exist; make it`);
    return;
  }
  if (found.isSymbolicLink()) throw new Error(`cannot listen on path=${path}: it is a symbolic link; move it away`);
  if (!found.isSocket())
    throw new Error(`cannot listen on path=${path}: there is a ${kindOf(found)}, which is no socket; move it away`);
  const code = await tryConnect(path);
  // EAGAIN: its backlog is full.
  if (code === undefined || code === 'EAGAIN')
    throw new Error(`cannot listen on path=${path}: another process listens there`);
  if (code === 'EACCES' || code === 'EPERM')
    throw new Error(`cannot listen on path=${path}: the socket there belongs to another user (${code})`);
  // ECONNREFUSED: nobody listens. EPROTOTYPE: a socket of datagrams, on which somebody may receive.
  if (code === 'ECONNREFUSED') removeStale(path, found);
  else if (code !== 'ENOENT') throw new Error(`cannot listen on path=${path}: the socket there answers ${code}`);
}

/**
 * Removes a socket that was found to be stale. Another process that starts may have put its own there since: what is moved aside is looked at
 * again, and put back if it is not the one that was found.
 */
export function removeStale(path: string, found: Stats): void {
  const aside = besides(path);
  try {
    renameSync(path, aside);
    if (isSame(lstatSync(aside), found)) {
      unlinkSync(aside);
      return;
    }
    renameSync(aside, path);
  } catch (cause) {
    if (isMissing(cause)) return;
    const reason = `nobody listens on the socket there, and it cannot be removed (${String(codeOf(cause))})`;
    throw new Error(`cannot listen on path=${path}: ${reason}; remove it`, { cause });
  }
  throw new Error(`cannot listen on path=${path}: another process listens there`);
}

/** A name beside a path, which no other process uses. */
function besides(path: string): string {
  return `${path}.${process.pid}.aside`;
}

/** Whether a file is the one that was found before. The number of a removed file is used again, but not with the same time. */
function isSame(now: Stats, before: Stats): boolean {
  return now.ino === before.ino && now.dev === before.dev && now.mtimeMs === before.mtimeMs;
}

/** The socket file of this process, noted after the bind. */
export interface SocketFile {
  /** Runs what closes the socket, and unlinks the path in the same turn. Where the file of another process stands there by now, that stays. */
  close(work: () => void): void;
}

export function noteSocketFile(path: string): SocketFile {
  const { dev, ino } = lstatSync(path);
  return {
    close(work) {
      const now = lstatSync(path, { throwIfNoEntry: false });
      // While the socket is open, no other file gets its number.
      if (now === undefined || (now.ino === ino && now.dev === dev)) return work();
      const aside = besides(path);
      renameSync(path, aside);
      try {
        work();
      } finally {
        renameSync(aside, path);
      }
    },
  };
}

function kindOf(found: { isDirectory(): boolean; isFIFO(): boolean; isFile(): boolean }): string {
  if (found.isDirectory()) return 'folder';
  if (found.isFIFO()) return 'FIFO';
  return found.isFile() ? 'file' : 'device';
}

/** The code of the error; undefined where somebody answers. */
function tryConnect(path: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect({ path });
  socket.once('connect', () => {
    socket.destroy();
    resolve(undefined);
  });
  socket.once('error', (error) => resolve(String(codeOf(error) ?? error.message)));
  return promise;
}

/**
 * Runs the bind of a socket with a umask that gives it to its owner alone, from its first moment. The umask is that of the whole process: a
 * folder that another thread makes at this moment is its owner's alone too, who can use it.
 */
export function ownerOnly<T>(bind: () => T): T {
  const before = process.umask(0o077);
  try {
    return bind();
  } finally {
    process.umask(before);
  }
}

/** Mode 0600, after the bind: a socket needs no execute bit. */
export function setSocketMode(path: string): void {
  if (lstatSync(path).isSocket()) chmodSync(path, 0o600);
}
