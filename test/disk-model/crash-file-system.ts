import * as fs from 'node:fs';
import { dirname, relative, resolve, sep } from 'node:path';
import { diskFileSystem, type FileSystem } from '../../src/disk/file-system.ts';
import type { Random } from '../support/random.ts';
import { CrashFile, CrashFolder } from './crash-disk.ts';

/*
 * The file system's edge over a real folder, so that whatever reads with node:fs reads the same, and over a model that knows
 * what of it would survive (crash-disk.ts). It decides by its random numbers which of the running operations ends next. So a
 * history is the same each time, whatever the machine does meanwhile.
 */

/** The process or the machine died: this and all later operations do nothing. */
export class DiedError extends Error {}

export type Fault =
  /** The disk is full: a write takes half, the rest fails; nothing new can be made. */
  | 'full'
  /** An I/O error. */
  | 'error'
  /** A write takes half and says so. */
  | 'short';

export interface CrashFileSystemOptions {
  /** The folder that the model's root stands for. */
  readonly root: string;
  readonly disk: CrashFolder;
  readonly random: Random;
  /** The operation, counted from 1, in which the process dies. Undefined: it lives. */
  readonly dieAt?: number | undefined;
  /** By the number of the operation. */
  readonly faults?: ReadonlyMap<number, Fault>;
  /** Is told of each operation. */
  readonly trace?: (operation: string) => void;
}

export interface CrashFileSystem {
  readonly files: FileSystem;
  operations(): number;
  isDead(): boolean;
  /** The process dies now. */
  die(): void;
  /** Whether a fault struck. */
  hadFault(): boolean;
  /** The next removals of files fail. */
  refuseRemovals(times: number): void;
  /** Resolves when no operation runs and none begins. */
  quiet(): Promise<void>;
}

interface OpenFile {
  readonly file: CrashFile;
  readonly path: string;
  failuresSeen: number;
}

const TURNS_OF_QUIET = 4;

// Long: the edge has fifteen operations, and each is a few lines over the same state.
export function createCrashFileSystem(options: CrashFileSystemOptions): CrashFileSystem {
  const { root, disk, random, dieAt = 0, faults = new Map<number, Fault>(), trace } = options;
  const open = new Map<number, OpenFile>();
  const running: (() => void)[] = [];
  let operations = 0;
  let isDead = false;
  let hadFault = false;
  let isPumping = false;
  let removalsToRefuse = 0;

  const pump = (): void => {
    const [next] = running.splice(random.int(0, running.length - 1), 1);
    next?.();
    isPumping = running.length > 0;
    if (isPumping) setImmediate(pump);
  };
  /** Resolves when this operation is the one that ends next. */
  const turn = async (): Promise<void> => {
    const { promise, resolve: end } = Promise.withResolvers<void>();
    running.push(end);
    if (!isPumping) setImmediate(pump);
    isPumping = true;
    await promise;
    if (isDead) throw new DiedError('the process died');
  };
  /** Counts an operation. Gives what happens to it. */
  const begin = (name: string, path: string): Fault | 'death' | undefined => {
    if (isDead) throw new DiedError('the process died');
    operations++;
    trace?.(`${operations} ${name} ${relative(root, path)} ${faults.get(operations) ?? ''}`);
    const fault = faults.get(operations);
    if (fault !== undefined) hadFault = true;
    if (operations !== dieAt) return fault;
    isDead = true;
    return 'death';
  };
  /** An operation that is done at once or, when the process dies in it, is done or not. */
  const change = async <T>(name: string, path: string, work: () => T, { makes = false } = {}): Promise<T> => {
    const fate = begin(name, path);
    if (fate === 'error' || (fate === 'full' && makes)) {
      await turn();
      throw failure(fate);
    }
    if (fate !== 'death' || random.chance(0.5)) {
      const result = work();
      await turn();
      return result;
    }
    throw new DiedError('the process died');
  };

  const placeOf = (path: string): { readonly folder: CrashFolder; readonly name: string } => {
    const names = relative(root, resolve(path)).split(sep);
    const name = names.pop() ?? '';
    let folder = disk;
    for (const part of names) {
      const next = folder.get(part);
      if (next?.kind !== 'folder') throw new Error(`the model has no folder ${part} of ${path}`);
      folder = next;
    }
    return { folder, name };
  };
  const folderAt = (path: string): CrashFolder => {
    if (resolve(path) === resolve(root)) return disk;
    const { folder, name } = placeOf(path);
    const found = folder.get(name);
    if (found?.kind !== 'folder') throw new Error(`the model has no folder ${path}`);
    return found;
  };
  const fileAt = (path: string): CrashFile => {
    const { folder, name } = placeOf(path);
    const found = folder.get(name);
    if (found?.kind === 'file') return found;
    const made = new CrashFile();
    folder.set(name, made);
    return made;
  };
  const openOf = (fd: number): OpenFile => {
    const found = open.get(fd);
    if (found === undefined) throw new Error(`the model has no descriptor ${fd}`);
    return found;
  };
  const remember = (fd: number, path: string): number => {
    const file = fileAt(path);
    open.set(fd, { file, path, failuresSeen: file.failures });
    return fd;
  };

  const files: FileSystem = {
    ...diskFileSystem,
    open: (path) =>
      change('open', path, () => remember(fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o640), path), {
        makes: !fs.existsSync(path),
      }),
    async openToRead(path) {
      await turn();
      return remember(fs.openSync(path, 'r'), path);
    },
    async close(fd) {
      open.delete(fd);
      fs.closeSync(fd);
    },
    async write(fd, buffers, position) {
      const { file, path } = openOf(fd);
      const bytes = Buffer.concat(buffers);
      const put = (part: Buffer): number => {
        file.write(part, position);
        return fs.writeSync(fd, part, 0, part.length, position);
      };
      const fate = begin(`write ${bytes.length} at ${position}`, path);
      // Also over bytes that are there a write may stop anywhere.
      const cut = random.int(0, bytes.length);
      if (fate === 'death') put(bytes.subarray(0, cut));
      if (fate === 'full') put(bytes.subarray(0, bytes.length >> 1));
      const written = fate === undefined || fate === 'short' ? put(fate ? half(bytes) : bytes) : 0;
      await turn();
      if (fate === 'full' || fate === 'error') throw failure(fate);
      return written;
    },
    async sync(fd) {
      const opened = openOf(fd);
      const { file, path } = opened;
      const fate = begin('sync', path);
      const ended = file.beginSync();
      await turn();
      const isFailed = fate === 'error' || fate === 'full';
      if (isFailed) file.failures++;
      const mustFail = opened.failuresSeen < file.failures;
      opened.failuresSeen = file.failures;
      ended(!mustFail);
      if (mustFail) throw failure('error');
    },
    async syncFolder(path) {
      const fate = begin('syncFolder', path);
      // Folders above the root are not the model's: they are durable.
      const isAbove = relative(resolve(path), root) !== '' && !relative(resolve(path), root).startsWith('..');
      const ended = isAbove ? () => undefined : folderAt(path).beginSync();
      await turn();
      ended(fate !== 'error');
      if (fate === 'error') throw failure(fate);
    },
    makeFolder: (path) =>
      change(
        'makeFolder',
        path,
        () => {
          const first = fs.mkdirSync(path, { recursive: true });
          if (first === undefined) return undefined;
          addFolders(first, path);
          return first;
        },
        { makes: true },
      ),
    truncate: (path, length) =>
      change('truncate', path, () => {
        fs.truncateSync(path, length);
        fileAt(path).truncate(length);
      }),
    truncateOpen: (fd, length) =>
      change('truncateOpen', openOf(fd).path, () => {
        fs.ftruncateSync(fd, length);
        openOf(fd).file.truncate(length);
      }),
    rename: (from, to) =>
      change('rename', from, () => {
        fs.renameSync(from, to);
        const { folder, name } = placeOf(from);
        folder.set(placeOf(to).name, folder.get(name));
        folder.set(name, undefined);
      }),
    remove: (path) =>
      change('remove', path, () => {
        if (removalsToRefuse > 0) {
          removalsToRefuse--;
          hadFault = true;
          throw failure('error');
        }
        fs.unlinkSync(path);
        const { folder, name } = placeOf(path);
        folder.set(name, undefined);
      }),
    removeFolder: (path) =>
      change('removeFolder', path, () => {
        fs.rmdirSync(path);
        const { folder, name } = placeOf(path);
        folder.set(name, undefined);
      }),
    async read(fd, target, position) {
      await turn();
      return fs.readSync(fd, target, 0, target.length, position);
    },
    size: async (path) => fs.statSync(path, { throwIfNoEntry: false })?.size,
  };

  function addFolders(first: string, last: string): void {
    const names = relative(dirname(first), last).split(sep);
    let folder = folderAt(dirname(first));
    for (const name of names) {
      const made = new CrashFolder();
      folder.set(name, made);
      folder = made;
    }
  }

  return {
    files,
    operations: () => operations,
    isDead: () => isDead,
    hadFault: () => hadFault,
    die() {
      isDead = true;
    },
    refuseRemovals(times) {
      removalsToRefuse = times;
    },
    async quiet() {
      for (let turns = 0; turns < TURNS_OF_QUIET; turns++) {
        await new Promise((done) => setImmediate(done));
        if (running.length > 0) turns = 0;
      }
    },
  };
}

function half(bytes: Buffer): Buffer {
  return bytes.subarray(0, Math.max(1, bytes.length >> 1));
}

function failure(fault: 'full' | 'error'): Error {
  const [code, text] = fault === 'full' ? ['ENOSPC', 'no space left on device'] : ['EIO', 'i/o error'];
  return Object.assign(new Error(`${code}: ${text}`), { code });
}
