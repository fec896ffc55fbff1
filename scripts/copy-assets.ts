import { cpSync } from 'node:fs';

// Part of the build: the files of the dashboard, which the compiler does not know, go where its own output is.
const root = new URL('../', import.meta.url);
cpSync(new URL('src/http/dashboard/page/', root), new URL('dist/http/dashboard/page/', root), { recursive: true });
