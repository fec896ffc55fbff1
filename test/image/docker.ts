import { type ChildProcess, execFile } from 'node:child_process';
import type { Engine } from '../support/docker-engine.ts';

export interface Output {
  /** -1 when it was killed. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Gets the running process, to write to its standard input. */
  readonly started?: (child: ChildProcess) => void;
}

/** Runs a program that drives the engine, to its end. */
export function runOn(
  engine: Engine,
  [program, ...args]: readonly [string, ...string[]],
  { cwd, env, started }: RunOptions = {},
): Promise<Output> {
  const { promise, resolve } = Promise.withResolvers<Output>();
  const settings = { cwd, env: { ...engine.env, ...env }, maxBuffer: 64 * 1024 * 1024 };
  const child = execFile(program, args, settings, (error, stdout, stderr) => {
    const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
    resolve({ code, stdout, stderr });
  });
  started?.(child);
  return promise;
}

/** `docker …`, which must succeed. Gives its standard output without the last newline. */
export async function docker(engine: Engine, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runOn(engine, ['docker', ...args]);
  if (code !== 0) throw new Error(`docker ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  return stdout.trimEnd();
}

/** What `docker inspect` shows of a container or an image, as far as the tests look at it. */
export async function inspect<T>(engine: Engine, format: string, name: string): Promise<T> {
  // The engine's own answer, in its documented form.
  return JSON.parse(await docker(engine, 'inspect', '--format', `{{json ${format}}}`, name)) as T;
}

/** How the compose file runs the service. */
export const HARDENED = [
  '--read-only',
  ...['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--user', 'node', '--tmpfs', '/tmp'],
] as const;
