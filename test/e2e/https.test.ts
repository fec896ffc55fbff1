import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import { runLogforge, runProgram } from '../support/run.ts';
import { launch, makeDirs, removeDirs, type ServiceOptions, startService } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';

const certificates = makeCertificates();
afterAll(certificates.remove);
const authority = certificates.authority('ca');

async function start({ name = 'server', env = {}, ...options }: ServiceOptions & { readonly name?: string } = {}) {
  const pair = authority.issue(name);
  const dirs = await makeDirs();
  const tls = { LOGFORGE_SERVER_TLS_CERT: pair.cert, LOGFORGE_SERVER_TLS_KEY: pair.key };
  const service = await startService({ ...options, dirs, env: { ...tls, ...env } });
  const remove = async () => {
    await service.stop('SIGKILL');
    await removeDirs(dirs);
  };
  return { ...service, pair, remove, url: `https://127.0.0.1:${service.port}` };
}

async function startForTest(options: Parameters<typeof start>[0] = {}) {
  const service = await start(options);
  onTestFinished(service.remove);
  return service;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly serial: string;
}

/** On a connection of its own. */
function ask(url: string, { method = 'GET', body = '' } = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = { 'Content-Type': 'application/json' };
  const sent = request(url, { method, headers, agent: false, ca: authority.pem }, async (response) => {
    const { socket } = response;
    const serial =
      'getPeerX509Certificate' in socket ? (socket as never as Peer).getPeerX509Certificate().serialNumber : '';
    resolve({ status: response.statusCode ?? 0, body: Buffer.concat(await response.toArray()).toString(), serial });
  });
  sent.on('error', reject);
  sent.end(body);
  return promise;
}

interface Peer {
  getPeerX509Certificate(): { readonly serialNumber: string };
}

const record = (path: string) => ({ timestamp: '2015-05-17T10:00:00Z', path, userAgent: 'a' });

describe('a service with server.tls', () => {
  let service: Awaited<ReturnType<typeof start>>;
  beforeAll(async () => {
    service = await start({ env: { LOGFORGE_SERVER_THREADS: '2' } });
  });
  afterAll(() => service.remove());

  it('stores batches, serves the page, and is reached by the commands', async () => {
    const { url, dirs } = service;
    const posted = await ask(`${url}/logs`, { method: 'POST', body: JSON.stringify([record('/one')]) });
    expect([posted.status, posted.body]).toEqual([202, '{"accepted":1}']);
    expect(await ask(url)).toMatchObject({ status: 200, body: expect.stringContaining('<html') });

    const to = ['--url', url, '--ca', authority.cert];
    const file = join(dirs.root, 'more.ndjson');
    await writeFile(file, `${JSON.stringify(record('/two'))}\n`);
    expect(await runLogforge(['replay', ...to, file])).toMatchObject({ code: 0 });
    const letter = { time: '2026-01-01T00:00:00Z', stage: 'ingest', reason: 'no path', record: record('/three') };
    await writeFile(join(dirs.dlq, '2026-01-01.ndjson'), `${JSON.stringify(letter)}\n`);
    const replayed = await runLogforge(['dlq', 'replay', ...to, '--dlq-dir', dirs.dlq]);
    expect(replayed.code, replayed.stderr).toBe(0);
    expect((await readRecords(dirs)).map(({ path }) => path)).toEqual(['/one', '/two', '/three']);

    const asked = await runLogforge(['query', ...to, '--fields', 'path']);
    expect([asked.code, asked.stdout.split('\n').length], asked.stderr).toEqual([0, 4]);
    expect(await runLogforge(['top', ...to, '-n', '1'])).toMatchObject({ code: 0 });
  });

  it('sends records live to logforge tail', async () => {
    const { url } = service;
    const done = runLogforge(['tail', '--url', url, '--insecure', '-n', '1'], { timeout: 15_000 });
    let isDone = false;
    void done.then(() => {
      isDone = true;
    });
    await eventually(async () => {
      await ask(`${url}/logs`, { method: 'POST', body: JSON.stringify([record('/live')]) });
      expect(isDone).toBe(true);
    });
    expect(JSON.parse((await done).stdout)).toMatchObject({ path: '/live' });
  });

  it('is not trusted by commands without its authority, and says why', async () => {
    const { url } = service;
    const { code, stderr } = await runLogforge(['query', '--url', url]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('unable to verify the first certificate')]);
    const plain = await runLogforge(['query', '--url', url.replace('https', 'http')]);
    expect([plain.code, plain.stderr]).toEqual([1, expect.stringContaining('this port speaks TLS')]);
  });

  it('serves a renewed certificate from every thread, without a restart', async () => {
    const { url, pair, logs } = await startForTest({ name: 'old', env: { LOGFORGE_SERVER_THREADS: '2' } });
    const { serial } = await ask(`${url}/health`);
    certificates.replace(pair, authority.issue('new'));
    await eventually(async () => {
      const serials = await Promise.all(Array.from({ length: 8 }, async () => (await ask(`${url}/health`)).serial));
      expect(serials).not.toContain(serial);
    });
    expect(logs().match(/the TLS certificate was read again/g)).toHaveLength(1);
  });

  it('asks for client certificates, which commands can present', async () => {
    const { url } = await startForTest({ env: { LOGFORGE_SERVER_TLS_CLIENT_CA: authority.cert } });
    const client = authority.issue('client');
    const query = (...flags: string[]) => runLogforge(['query', '--url', url, '--ca', authority.cert, ...flags]);
    expect((await query()).code).toBe(1);
    expect(await query('--cert', client.cert, '--key', client.key)).toMatchObject({ code: 0, stderr: '' });
  });

  it('is spoken to by openssl', async () => {
    const { port } = service;
    const words = ['openssl', 's_client', '-quiet', '-verify_return_error', '-CAfile', authority.cert] as const;
    const head = 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
    const { stdout } = await runProgram([...words, '-connect', `127.0.0.1:${port}`], {
      started: ({ stdin }) => void stdin?.write(head),
      timeout: 10_000,
    });
    expect(stdout).toContain('HTTP/1.1 200 OK');
  });

  it('stops at SIGTERM with an open handshake and an idle client', async () => {
    const { port, signal, exited } = await startForTest();
    const idle = spawn('openssl', ['s_client', '-quiet', '-connect', `127.0.0.1:${port}`], { stdio: 'pipe' });
    await new Promise((resolve) => idle.stderr.once('data', resolve));
    signal('SIGTERM');
    expect(await exited).toEqual({ code: 0, signal: null });
    idle.kill();
  });
});

describe('a registry alone with server.tls', () => {
  it('answers by TLS', async () => {
    const { url } = await startForTest({ command: 'registry' });
    expect(await ask(`${url}/subjects`)).toMatchObject({ status: 200, body: expect.stringContaining('events-avro') });
  });
});

describe('a certificate that cannot be used', () => {
  it.each([
    [
      'a file that is missing',
      '1',
      (pair: { key: string }) => ({ cert: '/nowhere/cert.pem', key: pair.key }),
      'cannot read TLS file=/nowhere/cert.pem',
    ],
    [
      'a key that does not fit',
      '2',
      (pair: { cert: string }) => ({ cert: pair.cert, key: authority.key }),
      'key values mismatch',
    ],
  ])('%s: the start fails and says it (%s threads)', async (_, threads, choose, message) => {
    const { cert, key } = choose(authority.issue('broken'));
    const dirs = await makeDirs();
    onTestFinished(() => removeDirs(dirs));
    const env = { LOGFORGE_SERVER_TLS_CERT: cert, LOGFORGE_SERVER_TLS_KEY: key, LOGFORGE_SERVER_THREADS: threads };
    const { exited, logs } = launch({ dirs, env });
    expect((await exited).code).toBe(1);
    expect(logs()).toContain(message);
  });

  it('a certificate without its key is a mistake in the configuration', async () => {
    const { code, stderr } = await runLogforge(['validate'], { env: { LOGFORGE_SERVER_TLS_CERT: authority.cert } });
    expect([code, stderr]).toEqual([78, expect.stringContaining('cert and key are given together')]);
  });
});
