import { once } from 'node:events';
import { get, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAgentServer } from './agent-server.ts';

const STATS = { total: 3, levels: { INFO: 3 } };
let server: ReturnType<typeof createAgentServer>;
let port: number;
let fail = false;

async function start(page?: 'collect') {
  const metricsText = () => (fail ? Promise.reject(new Error('no metrics')) : Promise.resolve('a_total 1\n'));
  server = createAgentServer({ addr: '127.0.0.1:0', metricsText, stats: () => STATS, ...(page && { page }) });
  ({ port } = await server.listen());
}

beforeEach(() => {
  fail = false;
  return start();
});
afterEach(() => server.close({ graceMs: 100 }));

async function ask(path: string, { headers = {}, method = 'GET' }: RequestOptions = {}) {
  const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

describe('an agent answers', () => {
  it('its health', async () => {
    expect(await ask('/health')).toMatchObject({ status: 200, body: 'ok' });
  });

  it('its figures as JSON, which nobody keeps', async () => {
    const answer = await ask('/stats');
    expect(JSON.parse(answer.body)).toEqual(STATS);
    expect(answer.headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store' });
  });

  it('metrics as text to Prometheus, and the figures to who asks for JSON', async () => {
    const plain = await ask('/metrics', { headers: { accept: 'text/plain;version=0.0.4;q=0.5,*/*;q=0.1' } });
    expect([plain.body, plain.headers['content-type']]).toEqual([
      'a_total 1\n',
      'text/plain; version=0.0.4; charset=utf-8',
    ]);
    const json = await ask('/metrics', { headers: { accept: 'application/json' } });
    expect([JSON.parse(json.body), json.headers.vary]).toEqual([STATS, 'Accept']);
  });

  it('a page only where it has one, with a policy that lets it load its own files alone', async () => {
    expect((await ask('/')).status).toBe(404);
    await server.close({ graceMs: 100 });
    await start('collect');
    const page = await ask('/');
    expect(page.status).toBe(200);
    expect(page.headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
    const files = [...page.body.matchAll(/(?:src|href)="(assets\/[^"]+)"/g)].map((match) => match[1]);
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) expect([file, (await ask(`/${file}`)).status]).toEqual([file, 200]);
  });
});

describe('an agent refuses', () => {
  it('what it has not, with a problem', async () => {
    const answer = await ask('/nope');
    expect([answer.status, JSON.parse(answer.body).detail]).toEqual([404, 'no such route: /nope']);
    expect(answer.headers['content-type']).toBe('application/problem+json');
  });

  it('to change anything', async () => {
    const answer = await ask('/stats', { method: 'POST' });
    expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD']);
  });

  it('figures under a name of another site, and gives health and metrics under every name', async () => {
    const headers = { host: 'evil.example' };
    expect((await ask('/stats', { headers })).status).toBe(421);
    expect((await ask('/metrics', { headers: { ...headers, accept: 'application/json' } })).status).toBe(421);
    expect((await ask('/metrics', { headers })).status).toBe(200);
    expect((await ask('/health', { headers })).status).toBe(200);
    expect((await ask('/stats', { headers: { host: 'localhost:1' } })).status).toBe(200);
  });

  it('with 503 where the metrics cannot be made', async () => {
    fail = true;
    expect((await ask('/metrics')).status).toBe(503);
    expect((await ask('/stats')).status).toBe(200);
  });

  it('a port that is taken', async () => {
    const second = createAgentServer({ addr: `127.0.0.1:${port}`, metricsText: async () => '', stats: () => ({}) });
    await expect(second.listen()).rejects.toThrow(`cannot listen on address=127.0.0.1:${port}`);
  });
});

it('closes idle connections at a stop', async () => {
  const sent = get({ host: '127.0.0.1', port, path: '/health', agent: false, headers: { connection: 'keep-alive' } });
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  await server.close({ graceMs: 200 });
  await expect(ask('/health')).rejects.toThrow('ECONNREFUSED');
});
