import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A package may have to be fetched, and another test file may be fetching one: milliseconds. */
export const INSTALL_TIMEOUT_MS = 600_000;

export function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
}

/**
 * Installs a package where its programs are missing and we may. Test files run side by side and apt-get does not wait for
 * itself, so one of them at a time. Rejects with what a person must do otherwise.
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
