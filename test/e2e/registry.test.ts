import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createRandom } from '../support/random.ts';
import { launch, makeDirs, removeDirs, type Service, type ServiceOptions, startService } from '../support/service.ts';

const TYPE = 'application/vnd.schemaregistry.v1+json';

async function start(options: ServiceOptions = {}): Promise<Service> {
  const service = await startService(options);
  onTestFinished(async () => {
    await service.stop('SIGKILL');
    if (options.dirs === undefined) await removeDirs(service.dirs);
  });
  return service;
}

async function ask(
  url: string,
  { method = 'GET', body, type = TYPE }: { method?: string; body?: unknown; type?: string } = {},
) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await fetch(url, {
    method,
    ...(body !== undefined && { body: text, headers: { 'content-type': type } }),
  });
  const answered = await answer.text();
  const isJson = answer.headers.get('content-type')?.includes('json') === true;
  return {
    status: answer.status,
    type: answer.headers.get('content-type'),
    body: isJson ? JSON.parse(answered) : answered,
  };
}

const avroOf = (name: string) => ({ schema: JSON.stringify({ type: 'record', name, fields: [] }) });

describe('the routes of the registry', () => {
  it('answer as the Confluent Schema Registry does', async () => {
    const { url } = await start();
    const at = `${url}/registry`;
    expect(await ask(`${at}/subjects`)).toEqual({ status: 200, type: TYPE, body: ['events-avro', 'events-protobuf'] });
    expect((await ask(`${at}/schemas/types`)).body).toEqual(['PROTOBUF', 'JSON', 'AVRO']);
    const post = (path: string, body: unknown, type?: string) =>
      ask(`${at}${path}`, { method: 'POST', body, ...(type !== undefined && { type }) });
    const text = JSON.stringify({ type: 'record', name: 'R', fields: [{ name: 'a', type: 'int' }] });
    expect((await post('/subjects/a%2Fb/versions', { schema: text })).body).toEqual({ id: 3, version: 1 });
    expect((await ask(`${at}/schemas/ids/3`)).body).toEqual({ schema: text });
    expect((await ask(`${at}/schemas/ids/3/versions`)).body).toEqual([{ subject: 'a/b', version: 1 }]);
    expect((await ask(`${at}/schemas/ids/3/schema`)).body).toEqual(JSON.parse(text));
    expect((await post('/subjects/a%2Fb', { schema: text })).body).toEqual({
      subject: 'a/b',
      version: 1,
      id: 3,
      schema: text,
    });
    const worse = { schema: JSON.stringify({ type: 'record', name: 'R', fields: [{ name: 'b', type: 'int' }] }) };
    const check = await post('/compatibility/subjects/a%2Fb/versions/latest?verbose=true', worse);
    expect(check.body).toMatchObject({ is_compatible: false, messages: [expect.stringContaining('R.b')] });
    const serialized = (await ask(`${at}/schemas/ids/1?format=serialized`)).body;
    const file = fromBinary(FileDescriptorProtoSchema, Buffer.from(serialized.schema, 'base64'));
    expect([file.package, file.messageType.map(({ name }) => name)]).toEqual(['log', ['LogEntry']]);
    const newest = (await ask(`${at}/subjects/events-protobuf/versions/latest?format=serialized`)).body;
    expect(newest).toEqual({ subject: 'events-protobuf', version: 1, id: 1, ...serialized });
    expect((await ask(`${at}/config`, { method: 'PUT', body: { compatibility: 'FULL' } })).body).toEqual({
      compatibility: 'FULL',
    });
    expect((await ask(`${at}/mode`)).body).toEqual({ mode: 'READWRITE' });

    const before = (await ask(`${at}/schemas`)).body;
    const refused: [number, number, ReturnType<typeof ask>][] = [
      [409, 409, post('/subjects/a%2Fb/versions', worse)],
      [404, 40401, ask(`${at}/subjects/no/versions`)],
      [404, 40402, ask(`${at}/subjects/a%2Fb/versions/9`)],
      [404, 40403, ask(`${at}/schemas/ids/99`)],
      [404, 40405, ask(`${at}/subjects/a%2Fb?permanent=true`, { method: 'DELETE' })],
      [404, 40407, ask(`${at}/subjects/a%2Fb/versions/1?permanent=true`, { method: 'DELETE' })],
      [404, 40408, ask(`${at}/config/a%2Fb`)],
      [404, 40409, ask(`${at}/mode/a%2Fb`)],
      [422, 42201, post('/subjects/x/versions', { schema: '{' })],
      [422, 42201, post('/subjects/x/versions', { schema: serialized.schema, schemaType: 'PROTOBUF' })],
      [422, 42201, post('/subjects/x/versions', {})],
      [422, 42201, post('/subjects/x/versions', { schema: '"int"', schemaType: 'XML' })],
      [422, 42202, ask(`${at}/subjects/a%2Fb/versions/0`)],
      [422, 42203, ask(`${at}/config`, { method: 'PUT', body: { compatibility: 'SOME' } })],
      [422, 42204, ask(`${at}/mode`, { method: 'PUT', body: { mode: 'SOME' } })],
      [422, 42205, post('/subjects/x/versions', { ...avroOf('I'), id: 77 })],
      [422, 42208, post('/subjects/__GLOBAL/versions', avroOf('I'))],
      [400, 400, post('/subjects/x/versions', '{')],
      [400, 400, post('/subjects/x/versions', '[]')],
      [413, 413, post('/subjects/x/versions', JSON.stringify({ schema: ' '.repeat(5_000_000) }))],
      [415, 415, post('/subjects/x/versions', avroOf('I'), 'text/plain')],
      [405, 405, ask(`${at}/subjects`, { method: 'PUT', body: {} })],
      [404, 404, ask(`${at}/nothing`)],
    ];
    for (const [status, code, answer] of refused) {
      const { status: answered, body } = await answer;
      expect([answered, body.error_code, typeof body.message]).toEqual([status, code, 'string']);
    }
    expect((await ask(`${at}/schemas`)).body).toEqual(before);
  });

  it('of older programs work on the same store', async () => {
    const { url } = await start();
    const at = `${url}/schema`;
    const post = (path: string, body: unknown, type = 'application/json') =>
      ask(`${at}/${path}`, { method: 'POST', body, type });
    const schema = '{"type":"object","required":["level"],"properties":{"level":{"type":"string"}}}';
    const registered = await post('register', { format: 'json', name: 'LogEntry', schema });
    expect([registered.status, registered.body]).toEqual([201, 'Registered schema json:LogEntry']);
    expect((await ask(`${at}/get?format=json&name=LogEntry`)).body).toEqual({
      format: 'json',
      name: 'LogEntry',
      schema,
    });
    expect((await ask(`${url}/registry/subjects/events/versions/latest/schema`)).body).toEqual(JSON.parse(schema));
    const pairs = (await ask(`${at}/list`)).body as { format: string; name: string }[];
    expect(pairs.map(({ format, name }) => `${format}:${name}`)).toEqual([
      'json:LogEntry',
      'avro:LogEntry',
      'proto:LogEntry',
    ]);
    const descriptor = await fetch(`${at}/descriptor?name=LogEntry`);
    expect(descriptor.headers.get('content-type')).toBe('application/octet-stream');
    const set = fromBinary(FileDescriptorSetSchema, Buffer.from(await descriptor.arrayBuffer()));
    expect(set.file.map((one) => one.package)).toEqual(['log']);
    // Extra keys that their senders add.
    const avro = { type: 'record', name: 'Own', format: 'avro', fields: [{ name: 'a', type: 'string' }] };
    expect((await post('register', { format: 'avro', name: 'Own', schema: JSON.stringify(avro) })).status).toBe(201);

    const valid = await post('validate', { format: 'json', name: 'LogEntry', data: { level: 'INFO' } });
    expect([valid.status, valid.body]).toEqual([200, 'Validation successful']);
    const refused: [number, ReturnType<typeof ask>][] = [
      [400, post('validate', { format: 'json', name: 'LogEntry', data: '{"level":5}' })],
      [404, post('validate', { format: 'json', name: 'None', data: {} })],
      [501, post('validate', { format: 'xml', name: 'LogEntry', data: {} })],
      [400, post('register', '{')],
      [422, post('register', { format: 'json', name: 'X', schema: '{"type":"strin"}' })],
      [409, post('register', { format: 'json', name: 'LogEntry', schema: '{"type":"string"}' })],
      [405, ask(`${at}/register`)],
      [405, post('list', {})],
      [404, ask(`${at}/get?format=json&name=None`)],
      [404, ask(`${at}/descriptor?name=None`)],
    ];
    for (const [status, answer] of refused) {
      const answered = await answer;
      expect([answered.status, answered.type, answered.body.status]).toEqual([
        status,
        'application/problem+json',
        status,
      ]);
    }
    expect(((await ask(`${at}/list`)).body as unknown[]).length).toBe(4);
  });

  it('need a key to change something where auth is on, and refuse pages of other sites', async () => {
    const { url } = await start({ env: { LOGFORGE_AUTH_ENABLED: 'true', LOGFORGE_AUTH_KEYS: 'secret-key' } });
    const target = `${url}/registry/subjects/x/versions`;
    const request = { method: 'POST', body: JSON.stringify(avroOf('X')) };
    const post = async (headers: Record<string, string>) =>
      (await fetch(target, { ...request, headers: { 'content-type': TYPE, ...headers } })).status;
    expect(await post({})).toBe(401);
    expect(await post({ 'x-api-key': 'wrong' })).toBe(401);
    expect(await post({ 'x-api-key': 'secret-key', origin: 'http://elsewhere.example' })).toBe(403);
    expect((await ask(`${url}/registry/subjects`)).body).not.toContain('x');
    expect(await post({ 'x-api-key': 'secret-key' })).toBe(200);
  });
});

describe('a kill -9', () => {
  it.each([1, 2])('loses no registration that was answered, and no id is given twice (%i threads)', async (threads) => {
    const dirs = await makeDirs();
    onTestFinished(() => removeDirs(dirs));
    const random = createRandom(threads);
    const answered = new Map<number, string>();
    const twice: number[] = [];
    const env = { LOGFORGE_SERVER_THREADS: String(threads) };
    for (let life = 0; life < 4; life++) {
      const service = await start({ dirs, env });
      const killAfter = answered.size + random.int(5, 25);
      let next = 0;
      const work = async (): Promise<void> => {
        for (;;) {
          const name = `L${life}N${next++}`;
          const target = `${service.url}/registry/subjects/${name}/versions`;
          const { body } = await ask(target, { method: 'POST', body: avroOf(name) });
          if (answered.has(body.id)) twice.push(body.id);
          answered.set(body.id, name);
          if (answered.size >= killAfter) service.signal('SIGKILL');
        }
      };
      await Promise.allSettled([work(), work(), work()]);
      await service.exited;
    }
    const { url } = await start({ dirs, env });
    const all = (await ask(`${url}/registry/schemas`)).body as { id: number; subject: string }[];
    const bySubject = new Map(all.map(({ subject, id }) => [subject, id]));
    expect(answered.size).toBeGreaterThanOrEqual(20);
    expect(twice).toEqual([]);
    for (const [id, name] of answered) expect(bySubject.get(name)).toBe(id);
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  });
});

describe('registry.load', () => {
  it('registers the files of a folder, names a bad one, and stops nothing', async () => {
    const dirs = await makeDirs();
    onTestFinished(() => removeDirs(dirs));
    const folder = join(dirs.root, 'schemas');
    await mkdir(folder);
    await writeFile(join(folder, 'orders.json'), '{"type":"object"}');
    await writeFile(join(folder, 'orders-avro.avsc'), avroOf('Order').schema);
    await writeFile(join(folder, 'orders-protobuf.proto'), 'syntax = "proto3"; message Order { int32 a = 1; }');
    await writeFile(join(folder, 'bad.json'), '{"type":');
    await writeFile(join(folder, 'README.md'), 'no schema');
    const env = { LOGFORGE_REGISTRY_LOAD: folder };
    for (let life = 0; life < 2; life++) {
      const service = await start({ dirs, env });
      const subjects = (await ask(`${service.url}/registry/subjects`)).body;
      expect(subjects).toEqual(['events-avro', 'events-protobuf', 'orders', 'orders-avro', 'orders-protobuf']);
      expect((await ask(`${service.url}/registry/subjects/orders/versions`)).body).toEqual([1]);
      expect(service.logs()).toContain('bad.json');
      await service.stop();
    }
  });
});

describe('logforge registry', () => {
  it('runs alone, owns its folder, stops in order and keeps what it has', async () => {
    const dirs = await makeDirs();
    onTestFinished(() => removeDirs(dirs));
    const first = await start({ command: 'registry', dirs });
    expect((await ask(`${first.url}/subjects/x/versions`, { method: 'POST', body: avroOf('X') })).body).toEqual({
      id: 3,
      version: 1,
    });
    expect((await ask(`${first.url}/registry/subjects`)).body).toEqual((await ask(`${first.url}/subjects`)).body);
    expect((await ask(`${first.url}/ready`)).status).toBe(200);
    const second = launch({ command: 'registry', dirs });
    expect((await second.exited).code).toBe(1);
    expect(second.logs()).toContain('another logforge process owns');
    expect(await first.stop()).toEqual({ code: 0, signal: null });
    const { url } = await start({ command: 'registry', dirs });
    expect((await ask(`${url}/subjects/x/versions/1`)).body).toMatchObject({ id: 3, version: 1 });
  });
});

describe('registry.url', () => {
  it('uses another registry, keeps a copy while it is away, and changes nothing there', async () => {
    const other = await start({ command: 'registry' });
    await ask(`${other.url}/subjects/x/versions`, { method: 'POST', body: avroOf('X') });
    const dirs = await makeDirs();
    onTestFinished(() => removeDirs(dirs));
    const env = { LOGFORGE_REGISTRY_URL: other.url };
    const first = await start({ dirs, env });
    const copy = await ask(`${first.url}/registry/schemas`);
    expect(copy.body).toEqual((await ask(`${other.url}/schemas`)).body);
    const refused = await ask(`${first.url}/registry/subjects/y/versions`, { method: 'POST', body: avroOf('Y') });
    expect([refused.status, refused.body.error_code]).toEqual([422, 42205]);
    expect(refused.body.message).toContain(other.url);
    await first.stop();
    await other.stop();
    const second = await start({ dirs, env });
    expect((await ask(`${second.url}/registry/schemas`)).body).toEqual(copy.body);
    expect((await ask(`${second.url}/ready`)).status).toBe(200);
  });

  it('that was never reached is named by /ready until it is reached', async () => {
    const unreachable = createServer((_, response) => response.writeHead(500).end());
    await new Promise<void>((resolve) => unreachable.listen(0, '127.0.0.1', resolve));
    const { port } = unreachable.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const service = await start({ env: { LOGFORGE_REGISTRY_URL: url } });
    const ready = await ask(`${service.url}/ready`);
    expect([ready.status, ready.body.detail]).toEqual([
      503,
      expect.stringContaining(`the schema registry at ${url} was never reached`),
    ]);
    await new Promise((resolve) => unreachable.close(resolve));
    await start({ command: 'registry', args: ['--addr', `127.0.0.1:${port}`] });
    await expect
      .poll(async () => (await ask(`${service.url}/ready`)).status, { timeout: 30_000, interval: 200 })
      .toBe(200);
    expect((await ask(`${service.url}/registry/subjects`)).body).toEqual(['events-avro', 'events-protobuf']);
  });
});
