import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { datum, EVENT, LOG_ENTRY } from '../support/avro-bodies.ts';
import { type Client, createClient } from '../support/client.ts';
import { textMessage } from '../support/protobuf-messages.ts';
import { makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { readHourFiles } from '../support/storage.ts';

const THREADS = { LOGFORGE_SERVER_THREADS: '2', LOGFORGE_AGGREGATION_INTERVAL: '1h' };
/** The kernel spreads them over the threads: that all are on one has a chance of 1 in 8 million. */
const CONNECTIONS = 24;
const ROUNDS = 6;
const JSON_TYPE = 'application/json';
const PROTOBUF = 'application/x-protobuf';
const AVRO = 'avro/binary';

async function register(
  url: string,
  subject: string,
  schemaType: 'JSON' | 'PROTOBUF' | 'AVRO',
  schema: object | string,
) {
  const text = typeof schema === 'string' ? schema : JSON.stringify(schema);
  const answer = await fetch(`${url}/registry/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schemaType, schema: text }),
  });
  expect(answer.status).toBe(200);
}

async function readStored(service: Service): Promise<string[]> {
  const files = await readHourFiles(service.dirs, 'events');
  return Buffer.concat([...files.values()])
    .toString()
    .split('\n')
    .slice(0, -1);
}

describe('a new version of a schema on two threads', () => {
  let service: Service;
  let clients: readonly Client[];
  beforeAll(async () => {
    service = await startService({ env: THREADS });
    clients = Array.from({ length: CONNECTIONS }, () => createClient(service.port, { connections: 1 }));
    await Promise.all(clients.map((client) => client.get('/health')));
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    await removeDirs(service.dirs);
  });

  /** What the same body is answered on every connection, each answer once. */
  async function postOnAll(body: Buffer, type: string): Promise<readonly string[]> {
    const post = (client: Client) => client.post(body, { 'Content-Type': type }, '/logs/events');
    const answers = await Promise.all(clients.map(post));
    return [...new Set(answers.map(({ status, body: text }) => `${status} ${JSON.parse(text).detail ?? text}`))];
  }

  const ACCEPTED = ['202 {"accepted":1}'];

  it('of JSON judges every record that comes after its answer', async () => {
    await fetch(`${service.url}/registry/config/events`, {
      method: 'PUT',
      headers: { 'Content-Type': JSON_TYPE },
      body: JSON.stringify({ compatibility: 'NONE' }),
    });
    const before = await readStored(service);
    const entryOf = (round: number) => ({ ...EVENT, service: `round-${round}` });
    for (let round = 1; round <= ROUNDS; round++) {
      const properties = { service: { title: 'service name', const: `round-${round}` } };
      await register(service.url, 'events', 'JSON', { type: 'object', properties });
      expect(await postOnAll(Buffer.from(JSON.stringify(entryOf(round))), JSON_TYPE)).toEqual(ACCEPTED);
      const reason = `/service: invalid service name: "round-${round - 1}"; expected "round-${round}"`;
      expect(await postOnAll(Buffer.from(JSON.stringify(entryOf(round - 1))), JSON_TYPE)).toEqual([
        `400 record 0 ${reason}`,
      ]);
    }
    // Old records stay, though the newest version refuses them.
    const lines = Array.from({ length: ROUNDS }, (_, at) => JSON.stringify(entryOf(at + 1)));
    expect((await readStored(service)).slice(before.length)).toEqual(
      lines.flatMap((line) => Array.from({ length: CONNECTIONS }, () => line)),
    );
    await fetch(`${service.url}/registry/subjects/events`, { method: 'DELETE' });
    expect(await postOnAll(Buffer.from(JSON.stringify(entryOf(0))), JSON_TYPE)).toEqual(ACCEPTED);
  });

  it('of Protocol Buffers and of Avro reads every body that comes after its answer', async () => {
    const added: string[] = [];
    const values: Record<string, string> = { ...EVENT };
    for (let round = 1; round <= ROUNDS; round++) {
      const name = `round${round}`;
      added.push(name);
      values[name] = `value ${round}`;
      const before = await readStored(service);
      const line = JSON.stringify(values);

      const fields = [...Object.keys(EVENT), ...added];
      const members = fields.map((field, at) => `  string ${field} = ${at + 1};`).join('\n');
      const proto = `syntax = "proto3";\npackage log;\nmessage LogEntry {\n${members}\n}\n`;
      await register(service.url, 'events-protobuf', 'PROTOBUF', proto);
      const numbered = Object.fromEntries(fields.map((field, at) => [at + 1, values[field] ?? '']));
      expect(await postOnAll(textMessage(numbered), PROTOBUF)).toEqual(ACCEPTED);

      const more = added.map((field) => ({ name: field, type: 'string', default: '' }));
      await register(service.url, 'events-avro', 'AVRO', { ...LOG_ENTRY, fields: [...LOG_ENTRY.fields, ...more] });
      expect(await postOnAll(datum(values), AVRO)).toEqual(ACCEPTED);

      expect((await readStored(service)).slice(before.length)).toEqual(
        Array.from({ length: 2 * CONNECTIONS }, () => line),
      );
    }
  });
});

describe("bodies that @kafkajs/confluent-schema-registry makes, in Confluent's wire format", () => {
  it('are stored, in every version and under any subject', async () => {
    const service = await startService({ env: THREADS });
    const client = createClient(service.port);
    onTestFinished(async () => {
      client.close();
      await service.stop();
      await removeDirs(service.dirs);
    });
    const registry = new SchemaRegistry({ host: `${service.url}/registry`, retry: { retries: 0 } });
    const entry = { ...EVENT, message: 'wire', host: 'db-1' };
    const avro = { ...LOG_ENTRY, fields: [...LOG_ENTRY.fields, { name: 'host', type: 'string', default: '' }] };
    const proto = `syntax = "proto3"; package log;
      message LogEntry { string timestamp = 1; string level = 2; string message = 3; string service = 4; string host = 5; }`;
    const options = { compatibility: COMPATIBILITY.BACKWARD } as const;
    const sent: string[] = [];
    const send = async (id: number, record: object, type: string) => {
      const answer = await client.post(await registry.encode(id, record), { 'Content-Type': type }, '/logs/events');
      expect([answer.status, answer.body]).toEqual([202, '{"accepted":1}']);
      sent.push(JSON.stringify(record));
    };
    await send(await registry.getLatestSchemaId('events-avro'), EVENT, AVRO);
    await send(await registry.getLatestSchemaId('events-protobuf'), EVENT, PROTOBUF);
    for (const subject of ['events-avro', 'events-value']) {
      const schema = { type: SchemaType.AVRO, schema: JSON.stringify(avro) } as const;
      await send((await registry.register(schema, { subject, ...options })).id, entry, AVRO);
    }
    for (const subject of ['events-protobuf', 'logs-value']) {
      const { id } = await registry.register({ type: SchemaType.PROTOBUF, schema: proto }, { subject, ...options });
      await send(id, entry, PROTOBUF);
    }
    expect(await readStored(service)).toEqual(sent);
  });
});

describe('a log of schemas that is damaged on disk', () => {
  it('is told of at the start; the other schemas and all bodies in other formats are served', async () => {
    const dirs = await makeDirs();
    onTestFinished(() => removeDirs(dirs));
    const first = await startService({ dirs });
    await register(first.url, 'lost', 'AVRO', { type: 'record', name: 'Lost', fields: [] });
    await register(first.url, 'kept', 'AVRO', LOG_ENTRY);
    await first.stop();
    const [name = ''] = (await readdir(dirs.state)).filter((one) => /^schemas-\d+\.log$/.test(one));
    const bytes = await readFile(join(dirs.state, name));
    const at = bytes.indexOf('Lost');
    expect(at).toBeGreaterThan(0);
    await writeFile(join(dirs.state, name), bytes.fill(7, at, at + 20));

    const second = await startService({ dirs, env: THREADS });
    const client = createClient(second.port);
    onTestFinished(async () => {
      client.close();
      await second.stop();
    });
    expect(second.logs()).toContain('the log of the schema registry is damaged; schemas may be lost');
    expect(JSON.parse((await client.get('/ready')).body).checks.damage).toMatchObject({ ok: true });
    const subjects = JSON.parse((await client.get('/registry/subjects')).body);
    expect(subjects).toContain('kept');
    expect(subjects).not.toContain('lost');
    for (const [body, type] of [
      [datum(EVENT), AVRO],
      [textMessage({ 1: EVENT.timestamp, 2: EVENT.level, 3: EVENT.message, 4: EVENT.service }), PROTOBUF],
      [Buffer.from(JSON.stringify(EVENT)), JSON_TYPE],
    ] as const) {
      expect(await client.post(body, { 'Content-Type': type }, '/logs/events')).toMatchObject({ status: 202 });
    }
    expect(await readStored(second)).toEqual(Array.from({ length: 3 }, () => JSON.stringify(EVENT)));
    await register(second.url, 'lost', 'AVRO', { type: 'record', name: 'Lost', fields: [] });
  });
});
