import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const REPOSITORY = resolve(import.meta.dirname, '../..');
/** The sources, or the bundle of them that `make test` makes: see bundle.ts. */
const MAIN = process.env.TEST_PROGRAM ?? join(REPOSITORY, 'src/cli/main.ts');
/** Compiled code for all processes that the tests start. It halves the time of a start. */
const COMPILE_CACHE = join(REPOSITORY, 'node_modules/.cache/compile');
const START_TIMEOUT_MS = 30_000;

/** The four folders of one service, inside `root`, which a test removes. */
export interface Dirs {
  readonly root: string;
  readonly logs: string;
  readonly analytics: string;
  readonly state: string;
  readonly dlq: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Service {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly dirs: Dirs;
  readonly exited: Promise<Exit>;
  /** Everything on stderr so far: JSON log lines. */
  logs(): string;
  signal(signal: NodeJS.Signals): void;
  /** From now on nobody reads its stderr, as when a log shipper hangs. */
  stopReading(): void;
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Exit>;
}

export interface ServiceOptions {
  /** Folders of an earlier run. Absent: new folders. */
  readonly dirs?: Dirs;
  /** Default `serve`. */
  readonly command?: 'serve' | 'registry' | 'store';
  /** Arguments after `serve --addr 127.0.0.1:0`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Words before the command line of the service, such as `prlimit --fsize=…`. */
  readonly wrapper?: readonly string[];
  /** Modules that Node.js loads first (`node --import`), in the main thread and in every worker. */
  readonly preload?: readonly string[];
}

export async function makeDirs(prefix = 'logforge-test-', parent = tmpdir()): Promise<Dirs> {
  const root = await mkdtemp(join(parent, prefix));
  const dirs = {
    root,
    logs: join(root, 'logs'),
    analytics: join(root, 'analytics'),
    state: join(root, 'state'),
    dlq: join(root, 'dlq'),
  };
  for (const path of Object.values(dirs)) await mkdir(path, { recursive: true });
  return dirs;
}

export async function removeDirs(dirs: Dirs): Promise<void> {
  await rm(dirs.root, { recursive: true, force: true, maxRetries: 3 });
}

/** As bin/logforge sets them. */
const PROGRAM_ENV = { UV_THREADPOOL_SIZE: '16', MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '1048576' };

/** The environment of the tests, without variables that change a service. */
export function cleanEnv(): Record<string, string> {
  const kept: Record<string, string> = { NODE_COMPILE_CACHE: COMPILE_CACHE, ...PROGRAM_ENV };
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !/^(LOGFORGE_|VITEST|NODE_OPTIONS|NODE_V8_COVERAGE)/.test(name)) kept[name] = value;
  }
  return kept;
}

/** The environment that points a service at `dirs`. */
export function serviceEnv(dirs: Dirs, env: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    ...cleanEnv(),
    LOGFORGE_STORAGE_LOGS_DIR: dirs.logs,
    LOGFORGE_STORAGE_ANALYTICS_DIR: dirs.analytics,
    LOGFORGE_STORAGE_STATE_DIR: dirs.state,
    LOGFORGE_STORAGE_DLQ_DIR: dirs.dlq,
    LOGFORGE_LOGGING_FORMAT: 'json',
    ...env,
  };
}

/** The command line of the program under test: `node src/cli/main.ts …`. */
export function logforge(...args: readonly string[]): readonly [string, ...string[]] {
  return [process.execPath, MAIN, ...args];
}

/** Starts `logforge serve` as a separate process and waits until it listens. Rejects when it ends before. */
export async function startService(options: ServiceOptions = {}): Promise<Service> {
  const dirs = options.dirs ?? (await makeDirs());
  const started = launch({ ...options, dirs });
  const address = await waitForAddress(started);
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  const { child, exited, logs } = started;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid ?? 0,
    dirs,
    exited,
    logs,
    signal: (signal) => void child.kill(signal),
    stopReading: () => void child.stderr?.pause(),
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return exited;
    },
  };
}

export interface Launched {
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  logs(): string;
}

/** Starts it and does not wait: for services that must fail to start, or are killed during the start. */
export function launch(options: ServiceOptions & { readonly dirs: Dirs }): Launched {
  const { dirs, command: name = 'serve', args = [], env, wrapper = [], preload = [] } = options;
  const [node, ...words] = logforge(name, '--addr', '127.0.0.1:0', ...args);
  const imports = preload.flatMap((path) => ['--import', path]);
  const [command, ...rest] = [...wrapper, node, ...imports, ...words];
  if (command === undefined) throw new Error('cannot start: an empty command line');
  const child = spawn(command, rest, {
    cwd: dirs.root,
    env: serviceEnv(dirs, env),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const parts: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => parts.push(text));
  const { promise: exited, resolve: settle, reject } = Promise.withResolvers<Exit>();
  child.on('error', reject);
  // Its stderr must be read to the end, or it never counts as closed.
  child.on('exit', () => child.stderr.resume());
  child.on('close', (code, signal) => settle({ code, signal }));
  return { child, exited, logs: () => parts.join('') };
}

/** `host:port`, as soon as it listens. Rejects when it ends before. */
export async function waitForAddress({ child, exited, logs }: Launched): Promise<string> {
  const { promise, resolve: found, reject } = Promise.withResolvers<string>();
  const check = () => {
    const address = findAddress(logs());
    if (address !== undefined) found(address);
  };
  const timer = setTimeout(() => {
    child.kill('SIGKILL');
    reject(new Error(`cannot start the service: not listening after ${START_TIMEOUT_MS} ms\n${logs()}`));
  }, START_TIMEOUT_MS);
  child.stderr?.on('data', check);
  exited.then(
    ({ code, signal }) => reject(new Error(`cannot start the service: ended with ${code ?? signal}\n${logs()}`)),
    reject,
  );
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    child.stderr?.off('data', check);
  }
}

function findAddress(logs: string): string | undefined {
  for (const line of logs.split('\n')) {
    if (!line.includes('"listening"')) continue;
    try {
      const { msg, addr } = JSON.parse(line) as { msg?: unknown; addr?: unknown };
      if (msg === 'listening' && typeof addr === 'string') return addr;
    } catch {
      // The line is not whole yet.
    }
  }
  return undefined;
}
