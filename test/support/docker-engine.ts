import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { glob, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { cacheRoot, isOnPath, unpackPackage } from './debian.ts';

const run = promisify(execFile);

/** Where containers reach the machine under `host.docker.internal` with an engine of ours: the gateway of the compose tests. */
export const HOST_GATEWAY = '10.213.87.1';
export const COMPOSE_SUBNET = '10.213.87.0/24';
const START_TIMEOUT_MS = 60_000;
const LOCK_WAIT_S = 600;

/** A running Docker engine and the program that drives it. */
export interface Engine {
  /** `an engine of this machine`, or `an engine of the tests`. */
  readonly name: string;
  /** Whether it is ours: then its images and its network belong to the tests, too. */
  readonly isOurs: boolean;
  /** For programs that drive it, such as docker and make. */
  readonly env: Readonly<Record<string, string>>;
  /** Ends an engine of ours with all its containers. Images stay in the cache. */
  stop(): Promise<void>;
}

/** Why no engine starts here. The only reason for which a test may be skipped. */
export class NoEngineError extends Error {
  override readonly name = 'NoEngineError';
}

/**
 * An engine that is there and has `baseImage`, or can pull it; otherwise one that this starts from Debian's package. Rejects with
 * NoEngineError where none can start.
 */
export async function openEngine(baseImage: string): Promise<Engine> {
  const env = stringsOf(process.env);
  if ((await canRun(env, 'info')) && (await hasImage(env, baseImage))) {
    return { name: 'an engine of this machine', isOurs: false, env, stop: async () => {} };
  }
  return startEngine();
}

async function hasImage(env: Readonly<Record<string, string>>, image: string): Promise<boolean> {
  return (await canRun(env, 'image', 'inspect', image)) || (await canRun(env, 'pull', '--quiet', image));
}

async function canRun(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<boolean> {
  return run('docker', args, { env }).then(
    () => true,
    () => false,
  );
}

/**
 * Starts dockerd in process and mount namespaces of its own: whatever ends it ends its containers and mounts. It sets up no
 * bridge and no firewall rule outside of containers. Its images are in the cache, so a second engine waits until the first has ended.
 */
export async function startEngine(): Promise<Engine> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !isOnPath('apt-get')) {
    throw new NoEngineError('no Docker engine answers `docker info`, and only root on Debian can start one here');
  }
  const packages = await unpackPackage('docker.io');
  const firewall = await prepareIptables(packages);
  const cache = join(cacheRoot(), 'docker');
  await mkdir(join(cache, 'cli'), { recursive: true });
  const folder = await mkdtemp(join(tmpdir(), 'logforge-docker-'));
  const programs = [join(packages, 'usr/sbin'), join(packages, 'usr/bin'), process.env.PATH].join(delimiter);
  const host = `unix://${join(folder, 'docker.sock')}`;
  // The classic builder needs no plugin.
  const own = { PATH: programs, DOCKER_HOST: host, DOCKER_CONFIG: join(cache, 'cli'), DOCKER_BUILDKIT: '0' };
  const env = { ...stringsOf(process.env), ...firewall, ...own };
  const namespaces = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'docker-init', '--'];
  const network = ['--bridge=none', '--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false'];
  const files = ['--data-root', join(cache, 'data'), '--exec-root', join(folder, 'exec'), '-p', join(folder, 'pid')];
  const dockerd = ['dockerd', '-H', host, ...files, ...network, `--host-gateway-ip=${HOST_GATEWAY}`];
  const lock = ['--no-fork', '-w', String(LOCK_WAIT_S), join(cache, 'lock')];
  // It ends with this process, however that ends.
  const words = ['--pdeathsig', 'KILL', 'flock', ...lock, ...namespaces, ...dockerd];
  const child = spawn('setpriv', words, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const stop = async () => {
    await endEngine(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await waitUntilReady(child, env);
  } catch (error) {
    await stop();
    throw error;
  }
  return { name: 'an engine of the tests', isOurs: true, env, stop };
}

/**
 * The names of containers on a network are found by rules inside the containers, which dockerd sets with `iptables`. An installed
 * package has that name by a link of Debian's alternatives, an unpacked one has not. Gives the environment of that program.
 */
async function prepareIptables(packages: string): Promise<Record<string, string>> {
  if (isOnPath('iptables')) return {};
  await symlink('iptables-legacy', join(packages, 'usr/sbin/iptables')).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  for await (const modules of glob(join(packages, 'usr/lib/*/xtables'))) {
    return { XTABLES_LIBDIR: modules, LD_LIBRARY_PATH: dirname(modules) };
  }
  throw new Error(`cannot find the modules of iptables in folder=${packages}`);
}

async function waitUntilReady(child: ChildProcess, env: Readonly<Record<string, string>>): Promise<void> {
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000);
  });
  // Until dockerd says a first word, another engine may have the lock.
  const lockDeadline = Date.now() + LOCK_WAIT_S * 1_000;
  let deadline: number | undefined;
  while (child.exitCode === null && Date.now() < (deadline ?? lockDeadline)) {
    if (await canRun(env, 'info')) return;
    if (said !== '') deadline ??= Date.now() + START_TIMEOUT_MS;
    await sleep(100);
  }
  throw new NoEngineError(`dockerd does not start here: ${said.trim() || 'another engine has the cache'}`);
}

/** dockerd stops its containers on SIGTERM. unshare itself does not listen to that signal. */
async function endEngine(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(child.pid)]).catch(() => ({ stdout: '' }));
  for (const pid of stdout.split(/\s+/).filter(Boolean)) process.kill(Number(pid), 'SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  await ended;
  clearTimeout(timer);
}

function stringsOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
