import { readFileSync } from 'node:fs';

/** The build, as GET /version and `logforge version` show it. */
export interface BuildInfo {
  readonly version: string;
  /** Full commit id, or `unknown`. */
  readonly commit: string;
  /** RFC 3339, or `unknown`: a checkout is not built. */
  readonly buildDate: string;
  /** `v26.10.0` */
  readonly node: string;
}

/** The package's folder: two folders up, both in a checkout (src/cli) and in a build (dist/cli). */
const ROOT = new URL('../../', import.meta.url);

/** Reads package.json and, in a build, dist/build-info.json. In a checkout the commit comes from .git. */
export function readBuildInfo(root: URL = ROOT): BuildInfo {
  const built = readJson(new URL('dist/build-info.json', root));
  const isBuilt = import.meta.url.endsWith('.js') && built !== undefined;
  return {
    version: String(readJson(new URL('package.json', root))?.version ?? 'unknown'),
    commit: (isBuilt ? String(built.commit) : readGitCommit(root)) ?? 'unknown',
    buildDate: isBuilt ? String(built.buildDate) : 'unknown',
    node: process.version,
  };
}

/** The commit that is checked out, read from git's files; undefined without a repository. */
export function readGitCommit(root: URL): string | undefined {
  const head = readText(new URL('.git/HEAD', root))?.trim();
  const ref = /^ref: (.+)$/.exec(head ?? '')?.[1];
  if (ref === undefined) return head;
  const loose = readText(new URL(`.git/${ref}`, root))?.trim();
  const packed = readText(new URL('.git/packed-refs', root))?.split('\n');
  return loose ?? packed?.find((line) => line.endsWith(` ${ref}`))?.split(' ')[0];
}

function readText(file: URL): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function readJson(file: URL): Record<string, unknown> | undefined {
  const text = readText(file);
  return text === undefined ? undefined : JSON.parse(text);
}
