import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Time to fetch a package, or to wait for another test file that fetches one: milliseconds. */
export const INSTALL_TIMEOUT_MS = 600_000;

export function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
}

/** Installs a package when its programs are missing and the tests run as root. Otherwise it rejects and says what a person must do. */
export async function ensurePackage(name: string, isThere: () => boolean): Promise<void> {
  if (isThere()) return;
  if (process.getuid?.() !== 0 || !isOnPath('apt-get')) {
    throw new Error(`these tests need ${name}: install it (apt-get install ${name}) and run them again`);
  }
  await aptInstall(name);
  if (!isThere()) throw new Error(`cannot find the programs of ${name}, though it is installed`);
}

/**
 * Fetches a package with what it needs into a folder of the cache and unpacks it there, without installing it: no daemon of it
 * starts, and the system stays as it is. Gives the folder. A second call finds it and fetches nothing.
 */
export async function unpackPackage(name: string): Promise<string> {
  const folder = join(cacheRoot(), 'packages', name);
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const work = await mkdtemp(`${folder}-`);
  try {
    const archives = join(work, 'archives');
    await mkdir(join(archives, 'partial'), { recursive: true });
    await aptInstall(name, '--download-only', '-o', `Dir::Cache::archives=${archives}`);
    const root = join(work, 'root');
    for (const file of await readdir(archives)) {
      if (file.endsWith('.deb')) await run('dpkg', ['-x', join(archives, file), root]);
    }
    await rename(root, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
    return folder;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The folder for what is fetched once: `$XDG_CACHE_HOME/logforge`. */
export function cacheRoot(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'logforge');
}

/** Test files run at the same time and apt-get does not wait for another apt-get, so one runs at a time. */
async function aptInstall(name: string, ...options: readonly string[]): Promise<void> {
  const apt = 'apt-get -qq -o DPkg::Lock::Timeout=300';
  const script = `${apt} update && ${apt} install -y --no-install-recommends "$@"`;
  try {
    await run('flock', [join(tmpdir(), 'logforge-apt.lock'), 'sh', '-c', script, 'sh', ...options, name], {
      timeout: INSTALL_TIMEOUT_MS,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  } catch (cause) {
    throw new Error(`cannot get ${name} by apt-get`, { cause });
  }
}
