import { toListenAddress } from '../config/config.ts';
import { ConfigError, type Problem } from '../config/problem.ts';
import { createPprofServer, isLoopback, type PprofServer } from '../http/api/pprof.ts';
import type { Log } from '../log.ts';
import { type Capture, createProfiler, type Profiler } from '../runtime/profiler.ts';
import { renderSnapshot } from '../runtime/snapshot.ts';
import type { Io } from './command.ts';

export const PROFILE_ENVIRONMENT = {
  PROFILE_CAPTURE:
    '1: write a CPU and a heap profile of the whole run when it ends, and what each thread then runs and waits for, into PROFILE_DIR (profiles), named by PROFILE_NAME (v1 or v2).',
  PROFILE_ENABLED:
    '1: serve live profiles under /debug/pprof/ on PROFILE_ADDR (127.0.0.1:6062), a loopback address of its own.',
} as const;

export interface ProfileSettings {
  readonly capture: { readonly dir: string; readonly name: string } | undefined;
  readonly live: { readonly host: string; readonly port: number } | undefined;
}

/** The profiles of a running service. */
export interface Profiling {
  /** Call it before the service stops, because its threads end then. */
  beforeStop(): Promise<void>;
  /** Call it when everything has stopped. */
  close(): Promise<void>;
}

/** Reads PROFILE_*. Throws ConfigError. */
export function readProfileSettings(env: Io['env'], pipeline: 1 | 2): ProfileSettings {
  const problems: Problem[] = [];
  const expect = (name: string, ok: boolean, expected: string): void => {
    const message = `expected ${expected}, got ${JSON.stringify(env[name])}`;
    if (!ok) problems.push({ key: '', source: { kind: 'env', name }, message });
  };
  const isOn = (name: string): boolean => {
    const text = env[name] || '0';
    expect(name, ['0', '1', 'false', 'true'].includes(text), '0 or 1');
    return text === '1' || text === 'true';
  };
  const name = env.PROFILE_NAME || `v${pipeline}`;
  expect('PROFILE_NAME', /^[\w.-]{1,100}$/.test(name), 'letters, digits, ".", "_" and "-"');
  const live = readAddress(env.PROFILE_ADDR || '127.0.0.1:6062');
  expect('PROFILE_ADDR', live !== undefined, 'a loopback address such as 127.0.0.1:6062');
  const settings: ProfileSettings = {
    capture: isOn('PROFILE_CAPTURE') ? { dir: env.PROFILE_DIR || 'profiles', name } : undefined,
    live: isOn('PROFILE_ENABLED') ? live : undefined,
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return settings;
}

/** A port without a host is on the loopback address. */
function readAddress(text: string): { host: string; port: number } | undefined {
  try {
    const { host = '127.0.0.1', port } = toListenAddress(text);
    return isLoopback(host) ? { host, port } : undefined;
  } catch {
    return undefined;
  }
}

/** Starts before the service, so that the service's start and all its threads are profiled. */
export async function startProfiling(settings: ProfileSettings, log: Log): Promise<Profiling | undefined> {
  const { capture, live } = settings;
  if (capture === undefined && live === undefined) return undefined;
  const profiler = createProfiler({ log });
  let server: PprofServer | undefined;
  if (live !== undefined) {
    server = createPprofServer({ ...live, profiler: { ...profiler, snapshot: () => readSnapshot(profiler) } });
    const { address, port } = await server.listen();
    const url = `http://${address.includes(':') ? `[${address}]` : address}:${port}/debug/pprof/`;
    log.info('serving profiles', { url });
  }
  const run = capture && startCapture(profiler.capture(capture));
  return {
    async beforeStop() {
      await server?.close();
      await run?.writeThreads();
    },
    async close() {
      await server?.close();
      run?.end();
      profiler.close();
    },
  };
}

async function readSnapshot(profiler: Profiler) {
  const data = await profiler.snapshot();
  return { data, text: renderSnapshot(data) };
}

/** Writes the profiles also when the process ends early: by a second signal, or by an uncaught error. */
function startCapture(capture: Capture) {
  const onExit = (): void => capture.writeMain();
  process.once('exit', onExit);
  return {
    writeThreads: () => capture.writeThreads(),
    end: () => {
      process.off('exit', onExit);
      capture.writeMain();
    },
  };
}
