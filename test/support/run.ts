import { execFile } from 'node:child_process';
import { cleanEnv, logforge } from './service.ts';

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds after which it is killed; then its code is -1. */
  readonly timeout?: number;
}

/** Runs `logforge …` to its end. */
export function runLogforge(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { cwd, env, timeout } = options;
  const [command, ...words] = logforge(...args);
  const { promise, resolve } = Promise.withResolvers<Finished>();
  const settings = {
    cwd,
    env: { ...cleanEnv(), ...env },
    maxBuffer: 16 * 1024 * 1024,
    timeout,
    killSignal: 'SIGKILL',
  } as const;
  execFile(command, words, settings, (error, stdout, stderr) => {
    const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
    resolve({ code, stdout, stderr });
  });
  return promise;
}
