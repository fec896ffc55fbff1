import { cpSync } from 'node:fs';

// Part of the build: copies the files of the dashboard beside the output of the compiler, which does not know them.
const root = new URL('../', import.meta.url);
cpSync(new URL('src/http/dashboard/page/', root), new URL('dist/http/dashboard/page/', root), { recursive: true });
