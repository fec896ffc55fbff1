import { request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { createPprofServer, isLoopback, type PprofServer, type ProfileSource } from './pprof.ts';

const servers: PprofServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** A source whose CPU profile ends when it is told to, or aborted. */
function createSource() {
  const asked: { thread: string; ms: number }[] = [];
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  const source: ProfileSource = {
    threads: () => ['main', 'front 2'],
    cpu: async ({ thread, ms, signal }) => {
      asked.push({ thread, ms });
      signal.addEventListener('abort', () => ended.resolve('"cut short"'));
      begun.resolve();
      return ended.promise;
    },
    heap: async (thread) => `"heap of ${thread}"`,
    snapshot: async () => ({ data: { threads: [] }, text: 'thread main\n' }),
  };
  return { source, asked, begun: begun.promise, end: ended.resolve, ended: ended.promise };
}

async function serve(profiler: ProfileSource): Promise<string> {
  const server = createPprofServer({ host: '127.0.0.1', port: 0, profiler });
  servers.push(server);
  const { port } = await server.listen();
  return `http://127.0.0.1:${port}/debug/pprof`;
}

describe('live profiles', () => {
  it('lists the profiles of each thread', async () => {
    const url = await serve(createSource().source);
    const text = await (await fetch(`${url}/`)).text();
    expect(text.split('\n')).toContain('/debug/pprof/profile?seconds=30&thread=front%202');
    expect(text.split('\n')).toContain('/debug/pprof/heap?thread=main');
  });

  it('gives a snapshot of all threads, as text and as JSON', async () => {
    const url = await serve(createSource().source);
    expect(await (await fetch(`${url}/goroutine`)).text()).toBe('thread main\n');
    expect(await (await fetch(`${url}/goroutine?format=json`)).json()).toEqual({ threads: [] });
    expect((await fetch(`${url}/goroutine?format=xml`)).status).toBe(400);
    expect(await (await fetch(`${url}/`)).text()).toContain('/debug/pprof/goroutine\n');
  });

  it('answers a CPU profile of the given seconds as a file', async () => {
    const { source, asked, end } = createSource();
    const url = await serve(source);
    end('"profile"');
    const answer = await fetch(`${url}/profile?seconds=2.5&thread=front%202`);
    expect(await answer.text()).toBe('"profile"');
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="cpu.cpuprofile"');
    expect(asked).toEqual([{ thread: 'front 2', ms: 2500 }]);
  });

  it('profiles the main thread for thirty seconds by default', async () => {
    const { source, asked, end } = createSource();
    const url = await serve(source);
    end('"profile"');
    await fetch(`${url}/profile`);
    expect(asked).toEqual([{ thread: 'main', ms: 30_000 }]);
    expect(await (await fetch(`${url}/heap`)).text()).toBe('"heap of main"');
  });

  for (const seconds of ['0', '-1', '301', 'x', 'NaN', 'Infinity']) {
    it(`refuses seconds=${seconds}`, async () => {
      const { source, asked } = createSource();
      expect((await fetch(`${await serve(source)}/profile?seconds=${seconds}`)).status).toBe(400);
      expect(asked).toEqual([]);
    });
  }

  it('answers 404 for an unknown thread', async () => {
    const url = await serve(createSource().source);
    expect((await fetch(`${url}/heap?thread=unknown`)).status).toBe(404);
    expect((await fetch(`${url}/profile?thread=unknown`)).status).toBe(404);
    expect((await fetch(`${url}/block`)).status).toBe(404);
  });

  it('makes one CPU profile at a time', async () => {
    const { source, begun, end } = createSource();
    const url = await serve(source);
    const first = fetch(`${url}/profile?seconds=5`);
    await begun;
    const second = await fetch(`${url}/profile?seconds=5`);
    expect([second.status, second.headers.get('retry-after')]).toEqual([503, '5']);
    end('"first"');
    expect(await (await first).text()).toBe('"first"');
  });

  it('ends a profile whose client hung up', async () => {
    const { source, begun, ended } = createSource();
    const url = await serve(source);
    const client = new AbortController();
    const answer = fetch(`${url}/profile`, { signal: client.signal });
    await begun;
    client.abort();
    await expect(answer).rejects.toThrow();
    expect(await ended).toBe('"cut short"');
  });

  it('ends a profile when it is closed', async () => {
    const { source, begun, ended } = createSource();
    const url = await serve(source);
    const answer = fetch(`${url}/profile`).catch(() => undefined);
    await begun;
    await servers[0]?.close();
    expect(await ended).toBe('"cut short"');
    await answer;
  });

  it('refuses a request with a foreign host name', async () => {
    const url = new URL(await serve(createSource().source));
    const status = await new Promise((resolve, reject) => {
      const options = {
        host: url.hostname,
        port: url.port,
        path: '/debug/pprof/heap',
        headers: { Host: 'example.org' },
      };
      request(options, (answer) => resolve(answer.resume().statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(400);
  });
});

describe('its address', () => {
  it('is a loopback address or refused', () => {
    const { source } = createSource();
    expect(() => createPprofServer({ host: '0.0.0.0', port: 0, profiler: source })).toThrow('not a loopback address');
    expect(['127.0.0.1', '127.1.2.3', '::1', '[::1]', 'localhost'].filter((host) => !isLoopback(host))).toEqual([]);
    expect(['', '::', '10.0.0.1', '127.0.0.1.example.org', 'localhost.example.org'].filter(isLoopback)).toEqual([]);
  });
});
