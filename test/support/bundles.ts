import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/* Bundles of the program, each in a folder that is named by its files. Its time is that of the last run that took it. */

/** Bundles of other sources stay for a while, for a run that still uses them. */
const KEEP_MS = 3_600_000;

/** Writes files, each a name and a text, if they are not there. Gives their folder. */
export async function keepBundle(root: string, files: readonly (readonly [string, string])[]): Promise<string> {
  const folder = join(root, createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 16));
  if (await isTaken(folder)) return folder;
  await mkdir(root, { recursive: true });
  const made = await mkdtemp(`${folder}.`);
  for (const [name, text] of files) await writeFile(join(made, name), text);
  try {
    await rename(made, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    await rm(made, { recursive: true });
  }
  return folder;
}

/** Whether it is there; then it is in use from now on. */
async function isTaken(folder: string): Promise<boolean> {
  const now = new Date();
  return await utimes(folder, now, now).then(
    () => true,
    () => false,
  );
}

/** Removes the bundles that no run has taken for long, but for one. Another run may do the same at once. */
export async function removeOldBundles(root: string, folder: string): Promise<void> {
  for (const name of await readdir(root)) {
    const other = join(root, name);
    const stats = await stat(other).catch(() => undefined);
    if (other === folder || stats === undefined || Date.now() - stats.mtimeMs < KEEP_MS) continue;
    // What remains is for the next run.
    await rm(other, { recursive: true, force: true }).catch(() => undefined);
  }
}
