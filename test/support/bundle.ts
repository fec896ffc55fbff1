/**
 * Bundles the program for the processes that tests start, and prints the path of its main file, for the variable TEST_PROGRAM:
 *
 *   TEST_PROGRAM=$(node test/support/bundle.ts) vitest run test/
 *
 * A service that reads its six hundred sources and as many of its libraries takes 0.7 s of CPU time until it listens, and one
 * that reads a bundle 0.35 s. It is the same program: each source knows its own place, so that the files that it finds beside
 * itself are those of the checkout. Only the threads start from bundled files.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Plugin, rolldown } from 'rolldown';
import { keepBundle, removeOldBundles } from './bundles.ts';
import { REPOSITORY } from './service.ts';

const SRC = join(REPOSITORY, 'src');
const FOLDER = join(REPOSITORY, 'node_modules/.cache/program');
/** How a source of `app` names the file that a thread starts from. */
const THREAD = /new URL\(\s*`\.\/([\w-]+)\$\{extname\(import\.meta\.url\)\}`,\s*import\.meta\.url\s*\)/g;

const placeSources: Plugin = {
  name: 'place sources',
  transform(code, id) {
    if (!id.startsWith(SRC) || !code.includes('import.meta.url')) return null;
    const place = JSON.stringify(pathToFileURL(id).href);
    return code
      .replace(THREAD, "new URL('./$1.mjs', <here>)")
      .replaceAll('import.meta.url', place)
      .replaceAll('<here>', 'import.meta.url');
  },
};

/** The sources that threads start from, by name. */
async function findThreads(): Promise<Record<string, string>> {
  const threads: Record<string, string> = {};
  for (const name of await readdir(join(SRC, 'app'))) {
    if (!name.endsWith('.ts')) continue;
    const text = await readFile(join(SRC, 'app', name), 'utf8');
    for (const [, thread = ''] of text.matchAll(THREAD)) threads[thread] = join(SRC, 'app', `${thread}.ts`);
  }
  return threads;
}

/** Name and text of each file. */
async function bundle(): Promise<[string, string][]> {
  const bundled = await rolldown({
    input: { main: join(SRC, 'cli/main.ts'), ...(await findThreads()) },
    platform: 'node',
    // Compiled code, and what starts threads of its own, stays where it is.
    external: [/^node:/, /^@node-rs\//, '@platformatic/wasm-utils', 'pino'],
    plugins: [placeSources],
    logLevel: 'silent',
  });
  const { output } = await bundled.generate({ entryFileNames: '[name].mjs', chunkFileNames: '[hash].mjs' });
  await bundled.close();
  return output.map((file) => [file.fileName, file.type === 'chunk' ? file.code : String(file.source)]);
}

const folder = await keepBundle(FOLDER, await bundle());
await removeOldBundles(FOLDER, folder);
process.stdout.write(`${join(folder, 'main.mjs')}\n`);
