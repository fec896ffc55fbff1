import type { Hono } from 'hono';
import type { HttpServerOptions } from '../http.ts';

/** GET /streams: every stream, and what was counted of it since the start. */
export function addStreamsRoute(app: Hono, { listStreams }: Pick<HttpServerOptions, 'listStreams'>): void {
  app.get('/streams', async (context) =>
    context.json({ streams: await listStreams() }, 200, { 'Cache-Control': 'no-store' }),
  );
}
