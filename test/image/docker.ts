import type { Engine } from '../support/docker-engine.ts';
import { type Finished, type RunOptions, runProgram } from '../support/run.ts';

/** Runs a program that drives the engine, to its end. */
export function runOn(
  engine: Engine,
  command: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<Finished> {
  return runProgram(command, { ...options, env: { ...engine.env, ...options.env } });
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
