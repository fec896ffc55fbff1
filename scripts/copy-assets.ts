import { cpSync } from 'node:fs';

// Part of the build: copies the files of pages beside the output of the compiler, which does not know them.
const root = new URL('../', import.meta.url);
for (const folder of ['dashboard', 'agent']) {
  const page = `http/${folder}/page/`;
  cpSync(new URL(`src/${page}`, root), new URL(`dist/${page}`, root), { recursive: true });
}
