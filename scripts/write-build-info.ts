import { mkdirSync, writeFileSync } from 'node:fs';
import { readGitCommit } from '../src/cli/build-info.ts';

// Part of the build: writes the commit and date that `logforge version` prints from a package, which has no repository.
// SOURCE_DATE_EPOCH (seconds) sets the date, so that the same source gives the same package.
const root = new URL('../', import.meta.url);
const epoch = process.env.SOURCE_DATE_EPOCH;
const buildDate = new Date(epoch === undefined ? Date.now() : Number(epoch) * 1_000).toISOString();
const commit = process.env.BUILD_COMMIT ?? readGitCommit(root) ?? 'unknown';
mkdirSync(new URL('dist/', root), { recursive: true });
writeFileSync(new URL('dist/build-info.json', root), `${JSON.stringify({ commit, buildDate })}\n`);
