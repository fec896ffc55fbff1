import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { retryAfter } from '../problem.ts';
import { listen } from '../server/node-server.ts';
import { problem } from './routes.ts';

/** Makes the profiles. */
export interface ProfileSource {
  threads(): readonly string[];
  cpu(options: { readonly thread: string; readonly ms: number; readonly signal: AbortSignal }): Promise<string>;
  heap(thread: string): Promise<string>;
  /** What every thread runs, and what it waits for: as data and as text. */
  snapshot(): Promise<{ readonly data: object; readonly text: string }>;
}

/** Live profiles on a port of their own, for clients on this machine. */
export interface PprofServer {
  /** Rejects with `cannot listen on …`. */
  listen(): Promise<{ readonly address: string; readonly port: number }>;
  /** Stops a profile under way, and ends every connection. */
  close(): Promise<void>;
}

const DEFAULT_SECONDS = 30;
const MAX_SECONDS = 300;

/** `host` must be loopback: profiles show what the service does, and making one costs it time. */
export function createPprofServer(options: {
  readonly host: string;
  readonly port: number;
  readonly profiler: ProfileSource;
}): PprofServer {
  const { host, port, profiler } = options;
  if (!isLoopback(host)) throw new Error(`cannot serve profiles on address=${host}: it is not a loopback address`);
  const closing = new AbortController();
  const app = createPprofRoutes(profiler, closing.signal);
  const server = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }));
  return {
    listen: () => listen(server, { host, port }),
    close: () =>
      new Promise((resolve) => {
        closing.abort();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function createPprofRoutes(profiler: ProfileSource, closing: AbortSignal): Hono {
  const app = new Hono();
  let busy = false;

  // A web page in a browser on this machine could ask too, under the name of its own host (DNS rebinding).
  app.use(async (context, next) => {
    if (isLoopback(new URL(context.req.url).hostname)) return next();
    return problem({
      kind: 'bad-request',
      detail: 'profiles are for this machine only: use a loopback address as host',
    });
  });

  app.get('/debug/pprof/', (context) => {
    const lines = profiler
      .threads()
      .flatMap((thread) => [
        `/debug/pprof/profile?seconds=${DEFAULT_SECONDS}&thread=${encodeURIComponent(thread)}`,
        `/debug/pprof/heap?thread=${encodeURIComponent(thread)}`,
      ]);
    return context.text(`${['/debug/pprof/goroutine', ...lines].join('\n')}\n`);
  });

  app.get('/debug/pprof/profile', async (context) => {
    const seconds = Number(context.req.query('seconds') ?? DEFAULT_SECONDS);
    if (!(seconds > 0 && seconds <= MAX_SECONDS)) {
      return problem({
        kind: 'bad-request',
        detail: `the parameter seconds must be a number above 0 and up to ${MAX_SECONDS}`,
      });
    }
    if (busy) {
      const detail = 'another CPU profile is under way; only one runs at a time';
      return problem({ kind: 'overloaded', detail, headers: retryAfter(seconds) });
    }
    const thread = context.req.query('thread') ?? 'main';
    if (!profiler.threads().includes(thread)) return noSuchThread(thread);
    busy = true;
    try {
      const signal = AbortSignal.any([closing, context.req.raw.signal]);
      return download(await profiler.cpu({ thread, ms: seconds * 1000, signal }), 'cpu.cpuprofile');
    } finally {
      busy = false;
    }
  });

  app.get('/debug/pprof/heap', async (context) => {
    const thread = context.req.query('thread') ?? 'main';
    if (!profiler.threads().includes(thread)) return noSuchThread(thread);
    return download(await profiler.heap(thread), 'heap.heapprofile');
  });

  serveSnapshots(app, profiler);
  app.notFound((context) => problem({ kind: 'not-found', detail: `no such route: ${context.req.path}` }));
  app.onError((error) => problem({ kind: 'unavailable', detail: error.message, headers: retryAfter(1) }));
  return app;
}

/** The name is that of Go's profile, which programs ask for. `format=json`: as data. */
function serveSnapshots(app: Hono, profiler: ProfileSource): void {
  app.get('/debug/pprof/goroutine', async (context) => {
    const format = context.req.query('format') ?? 'text';
    if (format !== 'text' && format !== 'json') {
      return problem({ kind: 'bad-request', detail: 'the parameter format must be text or json' });
    }
    const { data, text } = await profiler.snapshot();
    return format === 'json' ? context.json(data) : context.text(text);
  });
}

function noSuchThread(thread: string): Response {
  return problem({
    kind: 'not-found',
    detail: `no such thread: ${JSON.stringify(thread)}; /debug/pprof/ lists the threads`,
  });
}

function download(profile: string, name: string): Response {
  return new Response(profile, {
    headers: { 'Content-Type': 'application/json', 'Content-Disposition': `attachment; filename="${name}"` },
  });
}

/** `127.0.0.0/8`, `::1` with or without brackets, `localhost`. */
export function isLoopback(host: string): boolean {
  return /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host) || ['localhost', '::1', '[::1]'].includes(host);
}
