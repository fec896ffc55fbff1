import { createRequire, syncBuiltinESMExports } from 'node:module';
import { constants } from 'node:os';
import type { Effect, OrderBook } from './order-book.ts';
import type { Operation } from './orders.ts';
import { createUnsyncedBytes, type RealFs } from './unsynced-bytes.ts';

/*
 * Replaces the functions of node:fs that the service uses, below `diskFileSystem` and beside it: all files of the service pass here,
 * whichever module writes them. Without an order the cost is one comparison.
 *
 * Not replaced: what SQLite does (the lock), and the logs on standard error.
 */

type Args = readonly unknown[];
// biome-ignore lint/suspicious/noExplicitAny: functions of Node.js of all signatures
type AnyFunction = (...args: any[]) => any;

interface Shape {
  readonly operation: Operation;
  /** The arguments for a share of the bytes. Absent: the operation is done whole or not at all. */
  readonly shorten?: (args: Args, share: number) => Args;
  /** What a write does to the file, where the arguments say so. */
  readonly written?: (args: Args) => { readonly position: number; readonly length: number } | undefined;
}

const VECTOR: Shape = {
  operation: 'write',
  shorten: ([fd, buffers, ...rest], share) => [fd, firstOf(buffers as Buffer[], share), ...rest],
  written: ([, buffers, position]) =>
    typeof position === 'number' ? { position, length: lengthOf(buffers as Buffer[]) } : undefined,
};
const CONTENT: Shape = {
  operation: 'write',
  shorten: ([file, content, ...rest], share) => [file, firstOf([Buffer.from(content as string)], share)[0], ...rest],
};
const READ: Shape = {
  operation: 'read',
  shorten: ([fd, target, offset, length, ...rest], share) =>
    typeof length === 'number'
      ? [fd, target, offset, part(length, share), ...rest]
      : [fd, target, offset, length, ...rest],
};
const READ_ALL: Shape = { operation: 'read' };
const SYNC: Shape = { operation: 'sync' };

/** By name: functions with a callback, each with its twin whose name ends in `Sync`. */
const TWINS: Readonly<Record<string, Shape>> = {
  open: { operation: 'open' },
  read: READ,
  writev: VECTOR,
  write: { operation: 'write' },
  readFile: READ_ALL,
  writeFile: CONTENT,
  fsync: SYNC,
  fdatasync: SYNC,
  truncate: { operation: 'truncate' },
  ftruncate: { operation: 'truncate' },
  unlink: { operation: 'remove' },
  rm: { operation: 'remove' },
  rmdir: { operation: 'remove' },
  rename: { operation: 'rename' },
  mkdir: { operation: 'makeFolder' },
  readdir: { operation: 'list' },
};
const PROMISES = ['open', 'readFile', 'writeFile', 'truncate', 'unlink', 'rm', 'rmdir', 'rename', 'mkdir', 'readdir'];
/** Of FileHandle: their first argument, the file, is the handle itself. */
const HANDLE: Readonly<Record<string, Shape>> = {
  read: READ,
  readFile: READ_ALL,
  writeFile: CONTENT,
  appendFile: CONTENT,
  sync: SYNC,
  datasync: SYNC,
  truncate: { operation: 'truncate' },
};

/** What is done in place of a call: wait, then call with `args` if there are any, then fail if there is an error. */
interface Replacement {
  readonly waitMs: number;
  readonly args: Args | undefined;
  readonly error: Error | undefined;
}

export async function replaceDisk(book: OrderBook): Promise<void> {
  // The object that `import * as fs` shows, after syncBuiltinESMExports.
  const fs = createRequire(import.meta.url)('node:fs') as Record<string, AnyFunction> & {
    promises: Record<string, AnyFunction>;
  };
  const real = { ...fs } as unknown as RealFs & { readlinkSync(path: string): string };
  const unsynced = createUnsyncedBytes(real);

  const pathOf = (file: unknown): string => {
    if (typeof file !== 'number') return String(file);
    return real.readlinkSync(`/proc/self/fd/${file}`).replace(/ \(deleted\)$/, '');
  };

  /** Undefined: the call goes on as it is. `args`: the first one is a path or a descriptor. */
  function replacementFor(shape: Shape, args: Args): Replacement | undefined {
    if (book.isEmpty()) {
      // From here on syncs are not seen.
      unsynced.forget();
      return undefined;
    }
    const path = pathOf(args[0]);
    const operation = operationOf(shape, args[0]);
    if (book.mayLose(path)) {
      const written = shape.written?.(args);
      if (written !== undefined) unsynced.beforeWrite(path, written);
    }
    const effect = book.strike({ operation, path, isDivisible: shape.shorten !== undefined });
    if (effect?.kind === 'lose') unsynced.drop(path);
    else if (operation === 'sync') unsynced.synced(path);
    return effect && replace(effect, { shape, args, path, operation });
  }

  function operationOf({ operation }: Shape, file: unknown): Operation {
    if (operation !== 'sync' || typeof file !== 'number') return operation;
    return real.fstatSync(file).isDirectory() ? 'syncFolder' : 'sync';
  }

  for (const [name, shape] of Object.entries(TWINS)) {
    for (const [key, wrap] of [
      [name, wrapCallback],
      [`${name}Sync`, wrapSync],
    ] as const) {
      const original = fs[key];
      if (original === undefined) throw new Error(`node:fs has no function ${key}`);
      fs[key] = keepSymbols(
        original,
        wrap(original, (args) => replacementFor(shape, args)),
      );
    }
  }
  for (const name of PROMISES) {
    const [original, shape] = [fs.promises[name], TWINS[name]];
    if (original === undefined || shape === undefined) throw new Error(`node:fs/promises has no function ${name}`);
    fs.promises[name] = wrapPromise(original, (args) => replacementFor(shape, args));
  }
  await wrapHandle(fs.promises.open as AnyFunction, replacementFor);
  syncBuiltinESMExports();
}

async function wrapHandle(
  open: AnyFunction,
  replacementFor: (shape: Shape, args: Args) => Replacement | undefined,
): Promise<void> {
  const handle = await open(import.meta.filename, 'r');
  const prototype = Object.getPrototypeOf(handle) as Record<string, AnyFunction>;
  await handle.close();
  for (const [name, shape] of Object.entries(HANDLE)) {
    const original = prototype[name];
    if (original === undefined) throw new Error(`FileHandle has no function ${name}`);
    prototype[name] = function (this: { readonly fd: number }, ...args: unknown[]) {
      // With the descriptor in front the arguments look like those of the functions with a callback.
      const call = wrapPromise(
        (_fd: unknown, ...rest: unknown[]) => original.apply(this, rest),
        (all) => replacementFor(shape, all),
      );
      return call(this.fd, ...args);
    };
  }
}

function replace(
  effect: Effect,
  { shape, args, path, operation }: { shape: Shape; args: Args; path: string; operation: Operation },
): Replacement {
  const error = 'code' in effect ? diskError(effect.code, operation, path) : undefined;
  const shorten = shape.shorten ?? ((all: Args) => all);
  if (effect.kind === 'delay') return { waitMs: effect.ms, args, error };
  if (effect.kind === 'short' || effect.kind === 'partial')
    return { waitMs: 0, args: shorten(args, effect.share), error };
  return { waitMs: 0, args: undefined, error };
}

type Replacer = (args: Args) => Replacement | undefined;

const pause = new Int32Array(new SharedArrayBuffer(4));

function wrapSync(original: AnyFunction, replacer: Replacer): AnyFunction {
  return (...args: unknown[]) => {
    const replacement = replacer(args);
    if (replacement === undefined) return original(...args);
    // It blocks its thread, as a slow disk would.
    if (replacement.waitMs > 0) Atomics.wait(pause, 0, 0, replacement.waitMs);
    const result = replacement.args && original(...replacement.args);
    if (replacement.error !== undefined) throw replacement.error;
    return result;
  };
}

function wrapCallback(original: AnyFunction, replacer: Replacer): AnyFunction {
  return (...args: unknown[]) => {
    const replacement = replacer(args);
    if (replacement === undefined) return original(...args);
    const done = args.at(-1) as AnyFunction;
    const { waitMs, args: changed, error } = replacement;
    const finish = (...results: unknown[]) => (error === undefined ? done(...results) : done(error));
    setTimeout(() => (changed === undefined ? finish() : original(...changed.slice(0, -1), finish)), waitMs);
    return undefined;
  };
}

function wrapPromise(original: AnyFunction, replacer: Replacer): AnyFunction {
  return async (...args: unknown[]) => {
    const replacement = replacer(args);
    if (replacement === undefined) return original(...args);
    if (replacement.waitMs > 0) await new Promise((resolve) => setTimeout(resolve, replacement.waitMs));
    const result = replacement.args && (await original(...replacement.args));
    if (replacement.error !== undefined) throw replacement.error;
    return result;
  };
}

/** util.promisify reads symbols of the functions. */
function keepSymbols(original: AnyFunction, replaced: AnyFunction): AnyFunction {
  for (const symbol of Object.getOwnPropertySymbols(original)) {
    Object.defineProperty(replaced, symbol, Object.getOwnPropertyDescriptor(original, symbol) ?? {});
  }
  // Functions with their own promise form, such as fs.realpath.native, hang on the function.
  return Object.assign(replaced, original);
}

function diskError(code: string, operation: Operation, path: string): Error {
  const errno = -(constants.errno[code as keyof typeof constants.errno] ?? 0);
  return Object.assign(new Error(`${code}: ordered by the test, ${operation} '${path}'`), { code, errno, path });
}

const part = (length: number, share: number): number => Math.max(1, Math.min(length, Math.floor(length * share)));

const lengthOf = (buffers: readonly Buffer[]): number => buffers.reduce((sum, { length }) => sum + length, 0);

/** The first bytes of the buffers: a share of all, at least one. */
function firstOf(buffers: readonly Buffer[], share: number): Buffer[] {
  let left = part(lengthOf(buffers), share);
  const first: Buffer[] = [];
  for (const buffer of buffers) {
    if (left <= 0) break;
    first.push(buffer.subarray(0, left));
    left -= buffer.length;
  }
  return first;
}
