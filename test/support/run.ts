import { type ChildProcess, execFile } from 'node:child_process';
import { cleanEnv, logforge } from './service.ts';

export interface Finished {
  /** -1 when it was killed. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds after which it is killed. */
  readonly timeout?: number | undefined;
  /** Gets the running process, to write to its standard input. */
  readonly started?: (child: ChildProcess) => void;
}

/** Runs `logforge …` to its end. */
export function runLogforge(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return runProgram(logforge(...args), { ...options, env: { ...cleanEnv(), ...options.env } });
}

/** Runs a program to its end, in this environment alone. */
export function runProgram(
  [program, ...args]: readonly [string, ...string[]],
  { started, ...options }: RunOptions,
): Promise<Finished> {
  const { promise, resolve } = Promise.withResolvers<Finished>();
  const settings = { ...options, maxBuffer: 64 * 1024 * 1024, killSignal: 'SIGKILL' } as const;
  const child = execFile(program, args, settings, (error, stdout, stderr) => {
    const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
    resolve({ code, stdout, stderr });
  });
  started?.(child);
  return promise;
}
