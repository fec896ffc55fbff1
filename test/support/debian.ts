import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Time to fetch a package, or to wait for another test file that fetches one: milliseconds. */
export const INSTALL_TIMEOUT_MS = 600_000;

export function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
}

/**
 * Installs a package when its programs are missing and the tests run as root. Test files run at the same time and apt-get does
 * not wait for another apt-get, so one installs at a time. Otherwise it rejects and says what a person must do.
 */
export async function ensurePackage(name: string, isThere: () => boolean): Promise<void> {
  if (isThere()) return;
  if (process.getuid?.() !== 0 || !isOnPath('apt-get')) {
    throw new Error(`these tests need ${name}: install it (apt-get install ${name}) and run them again`);
  }
  const apt = 'apt-get -qq -o DPkg::Lock::Timeout=300';
  const install = `${apt} update && ${apt} install -y --no-install-recommends ${name}`;
  try {
    await run('flock', [join(tmpdir(), 'logforge-apt.lock'), 'sh', '-c', install], {
      timeout: INSTALL_TIMEOUT_MS,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  } catch (cause) {
    throw new Error(`cannot install ${name} by apt-get`, { cause });
  }
  if (!isThere()) throw new Error(`cannot find the programs of ${name}, though it is installed`);
}
