import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { constants, gzipSync } from 'node:zlib';

/** A file of the page, ready to be sent. */
export interface Asset {
  readonly type: string;
  readonly etag: string;
  readonly bytes: Buffer;
  readonly gzipped: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The files of the chart library, by the names that the page uses. */
const LIBRARY = {
  'uplot.js': 'uplot/dist/uPlot.iife.min.js',
  'uplot.css': 'uplot/dist/uPlot.min.css',
} as const;

/** The files of the dashboard, some of which other pages use too. */
const DASHBOARD_FOLDER = new URL('./page/', import.meta.url);

/**
 * Every file of the dashboard by its name, and those of `folder`, which come first where names are alike. A file is packed at its first
 * request.
 */
export function readAssets(folder?: URL): ReadonlyMap<string, () => Asset> {
  const folders = folder === undefined ? [DASHBOARD_FOLDER] : [DASHBOARD_FOLDER, folder];
  const files = new Map<string, URL>(
    folders.flatMap((from) => readdirSync(from).map((name) => [name, new URL(name, from)] as const)),
  );
  for (const [name, path] of Object.entries(LIBRARY)) files.set(name, new URL(import.meta.resolve(path)));
  return new Map(
    [...files].flatMap(([name, url]) => {
      const type = TYPES[extname(name)];
      return type === undefined ? [] : [[name, once(() => pack(type, readFileSync(url)))]];
    }),
  );
}

function pack(type: string, bytes: Buffer): Asset {
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  return { type, etag, bytes, gzipped: gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }) };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
