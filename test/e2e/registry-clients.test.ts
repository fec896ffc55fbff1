import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cacheRoot, INSTALL_TIMEOUT_MS, isOnPath } from '../support/debian.ts';
import { cleanEnv, REPOSITORY, removeDirs, type Service, startService } from '../support/service.ts';

const run = promisify(execFile);

/*
 * Clients of the Confluent Schema Registry that other teams use, as they are. Python's is installed once into a folder of the
 * cache. Without pip its test says so and is skipped; in CI it fails.
 */
async function start(): Promise<Service> {
  const service = await startService();
  onTestFinished(async () => {
    await service.stop();
    await removeDirs(service.dirs);
  });
  return service;
}

const RECORD = { type: 'record', name: 'K', fields: [{ name: 'a', type: 'int' }] };

describe('@kafkajs/confluent-schema-registry', () => {
  it('registers, encodes and decodes in all three formats', async () => {
    const { url } = await start();
    const registry = new SchemaRegistry({ host: `${url}/registry`, retry: { retries: 0 } });
    const avro = { type: SchemaType.AVRO, schema: JSON.stringify(RECORD) } as const;
    const { id } = await registry.register(avro, { subject: 'k-avro', compatibility: COMPATIBILITY.BACKWARD });
    expect(await registry.register(avro, { subject: 'k-avro' })).toMatchObject({ id });
    expect(await registry.getLatestSchemaId('k-avro')).toBe(id);
    expect(await registry.getRegistryId('k-avro', 1)).toBe(id);
    expect(await registry.getRegistryIdBySchema('k-avro', avro)).toBe(id);
    const frame = await registry.encode(id, { a: 7 });
    expect(frame.toString('hex')).toBe(`00${id.toString(16).padStart(8, '0')}0e`);
    expect({ ...(await registry.decode(frame)) }).toEqual({ a: 7 });

    const proto = { type: SchemaType.PROTOBUF, schema: 'syntax = "proto3"; message K { int32 a = 1; }' } as const;
    const protoId = (await registry.register(proto, { subject: 'k-proto' })).id;
    expect({ ...(await registry.decode(await registry.encode(protoId, { a: 7 }))) }).toEqual({ a: 7 });
    const json = { type: SchemaType.JSON, schema: '{"type":"object","properties":{"a":{"type":"integer"}}}' } as const;
    const jsonId = (await registry.register(json, { subject: 'k-json' })).id;
    expect(await registry.decode(await registry.encode(jsonId, { a: 7 }))).toEqual({ a: 7 });

    const worse = { ...RECORD, fields: [{ name: 'b', type: 'int' }] };
    const refused = registry.register({ type: SchemaType.AVRO, schema: JSON.stringify(worse) }, { subject: 'k-avro' });
    await expect(refused).rejects.toThrow('incompatible with an earlier schema');
    await expect(registry.getSchema(999)).rejects.toThrow('Schema 999 not found');
    await expect(registry.getLatestSchemaId('none')).rejects.toThrow("Subject 'none' not found");
  });
});

/** Confluent's client, in an environment of its own. Gives its Python. */
async function installPythonClient(): Promise<string> {
  const folder = join(cacheRoot(), 'python', 'confluent-kafka-2.16.1-protobuf');
  const python = join(folder, 'bin', 'python');
  if (existsSync(python)) return python;
  await mkdir(dirname(folder), { recursive: true });
  const work = await mkdtemp(`${folder}-`);
  try {
    await run('python3', ['-m', 'venv', work]);
    const packages = ['confluent-kafka[avro,json,protobuf,schemaregistry]==2.16.1'];
    await run(join(work, 'bin', 'python'), [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      ...packages,
    ]);
    await rename(work, folder).catch((error: unknown) => {
      if (!existsSync(python)) throw error;
    });
    return python;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const hasPip = isOnPath('python3') && isOnPath('pip3');

describe("Python's confluent-kafka", () => {
  const reason = hasPip ? '' : ' (skipped: there is no pip3 here)';
  it.skipIf(!hasPip && process.env.CI === undefined)(
    `drives the registry with every call that it has${reason}`,
    { timeout: INSTALL_TIMEOUT_MS },
    async () => {
      const python = await installPythonClient();
      const { url } = await start();
      const script = join(REPOSITORY, 'test/support/registry-client.py');
      const { stdout } = await run(python, [script, `${url}/registry`], { env: cleanEnv() });
      const seen = JSON.parse(stdout);
      const fields = [{ name: 'a', type: 'int' }];
      expect(JSON.parse(seen.text)).toEqual({ type: 'record', name: 'P', fields });
      expect(seen.again).toBe(seen.id);
      expect(seen.frame).toMatch(/^00[0-9a-f]{8}0e$/);
      expect(seen).toMatchObject({
        lookup: 1,
        compatible: false,
        refused: [409, 409],
        latest: 2,
        version: seen.id,
        versions: [1, 2],
        references: 'py-inner',
        level: 'BACKWARD',
        'own level': 'FULL',
        value: { a: 7 },
        'json frame': '{"a":7}',
        descriptor: [422, 42201, expect.stringContaining('send the text of the .proto file')],
        'protobuf value': 'api',
        deleted: 1,
        'deleted subject': [1, 2],
        subjects: ['py-inner', 'py-json-value', 'py-outer', 'py-ser-value'],
      });
      const stored = await fetch(`${url}/logs/events`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-protobuf' },
        body: Buffer.from(seen['protobuf frame'], 'hex'),
      });
      expect([stored.status, await stored.text()]).toEqual([202, '{"accepted":1}']);
    },
  );
});
