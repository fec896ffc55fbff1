import type { Context, Hono } from 'hono';
import { acceptsGzip } from '../accept-encoding.ts';
import { type Asset, readAssets } from './assets.ts';

/** The page may load its own files only, and has no script or style inside. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE_HEADERS = {
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

/** A page and its files, under /assets: those of the dashboard, and of `folder`, which has the page then. */
export function addPage(app: Hono, folder?: URL): void {
  const assets = readAssets(folder);
  const answer = (context: Context, name: string): Response | undefined => {
    const asset = assets.get(name)?.();
    return asset === undefined ? undefined : answerAsset(context, asset);
  };
  app.get('/', (context) => answer(context, 'index.html') ?? context.notFound());
  app.get('/assets/:name', (context) => answer(context, context.req.param('name')) ?? context.notFound());
}

function answerAsset(context: Context, { type, etag, bytes, gzipped }: Asset): Response {
  const headers = { ...PAGE_HEADERS, ETag: etag, 'Cache-Control': 'no-cache', Vary: 'Accept-Encoding' };
  if (context.req.header('if-none-match') === etag) return new Response(null, { status: 304, headers });
  const packs = acceptsGzip(context.req.header('accept-encoding'));
  const encoding: Record<string, string> = packs ? { 'Content-Encoding': 'gzip' } : {};
  return new Response(new Uint8Array(packs ? gzipped : bytes), {
    headers: { ...headers, ...encoding, 'Content-Type': type },
  });
}
