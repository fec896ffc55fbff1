import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { BUILTIN_SUBJECTS } from '../model/builtin-schemas.ts';
import { loadConfig } from './config.ts';

const folder = fileURLToPath(new URL('../../config/examples/', import.meta.url));
const UNIVERSAL = 'config.universal.yaml';
const STORAGE = 'config.storage.yaml';
const files = readdirSync(folder)
  .filter((name) => name !== UNIVERSAL && name !== STORAGE)
  .sort();

test('there is an example for each version, in a container and at home, one of the universal port, and one of a storage', () => {
  expect([...files, UNIVERSAL, STORAGE]).toEqual([
    'config.v1.local.yaml',
    'config.v1.yaml',
    'config.v2.local.yaml',
    'config.v2.yaml',
    UNIVERSAL,
    STORAGE,
  ]);
});

test.each(files)('%s loads', (file) => {
  const { config } = loadConfig({ file: folder + file });
  const version = file.includes('.v2.') ? 2 : 1;
  const isLocal = file.includes('.local.');
  expect(config.version).toBe(version);
  expect(config.server.addr).toBe(`${isLocal ? '127.0.0.1' : ''}:${version === 1 ? 8082 : 8083}`);
  const { durability, minFreeBytes, compression, logsDir, analyticsDir, stateDir, dlqDir } = config.storage;
  expect({ durability, minFreeBytes, compression }).toEqual({
    durability: 'disk',
    minFreeBytes: 'off',
    compression: 'none',
  });
  for (const directory of [logsDir, analyticsDir, stateDir, dlqDir])
    expect(directory.startsWith('/data/')).toBe(!isLocal);
});

test('the brokers of the version 2 example may come from the environment', () => {
  const { config } = loadConfig({ file: `${folder}config.v2.yaml`, env: { KAFKA_BROKERS: 'a:9092,b:9092' } });
  expect(config.kafka.brokers).toEqual(['a:9092', 'b:9092']);
});

test('the two local examples may run side by side', () => {
  const [one, two] = ['config.v1.local.yaml', 'config.v2.local.yaml'].map(
    (file) => loadConfig({ file: folder + file }).config,
  );
  const directories = [one, two].flatMap((config) => [
    config?.storage.logsDir,
    config?.storage.stateDir,
    config?.storage.dlqDir,
  ]);
  expect(new Set(directories).size).toBe(6);
});

test('the universal port is on TLS TCP 3001, JSON lines on UDP 3002, HTTP on 3000, at home and in a container', () => {
  const home = loadConfig({ file: folder + UNIVERSAL }).config;
  const env = { BIND: '0.0.0.0', DATA_DIR: '/data', CERTS_DIR: '/certs', REGISTRY_URL: 'http://registry:8000' };
  const container = loadConfig({ file: folder + UNIVERSAL, env }).config;
  for (const [{ server, inputs }, host] of [
    [home, '127.0.0.1'],
    [container, '0.0.0.0'],
  ] as const) {
    expect(server.addr).toBe(`${host}:3000`);
    expect(inputs.map(({ type, addr, framing, format, stream }) => [type, addr, framing, format, stream])).toEqual([
      ['tcp', `${host}:3001`, 'universal', 'auto', 'events'],
      ['udp', `${host}:3002`, 'newline', 'json', 'events'],
    ]);
  }
  expect(home.inputs[0]?.tls).toMatchObject({ cert: 'certs/cert.pem', key: 'certs/key.pem' });
  expect(container.inputs[0]?.tls).toMatchObject({ cert: '/certs/cert.pem', key: '/certs/key.pem' });
  expect([home.logging.stats, home.registry.url, container.registry.url]).toEqual([1_000, '', 'http://registry:8000']);
  expect(container.storage.logsDir).toBe('/data/logs');
});

test('the central storage of collectors compresses, counts its sources, and is reachable in a container', () => {
  const home = loadConfig({ file: folder + STORAGE, env: { BIND: '127.0.0.1', DATA_DIR: 'data/storage' } }).config;
  const container = loadConfig({ file: folder + STORAGE }).config;
  expect([home.server.addr, container.server.addr]).toEqual(['127.0.0.1:8082', ':8082']);
  expect([home.storage.logsDir, container.storage.logsDir]).toEqual(['data/storage/logs', '/data/logs']);
  expect(container.storage).toMatchObject({ compression: 'zstd', durability: 'disk' });
  expect(container.ingestion.invalidRecords).toBe('skip');
  expect(container.logging).toMatchObject({ sources: true, stats: 10_000 });
});

test('the schemas that the universal example loads are those of LogEntry', () => {
  const load = fileURLToPath(new URL('../../config/schemas/universal/', import.meta.url));
  expect(loadConfig({ file: folder + UNIVERSAL }).config.registry.load).toBe('config/schemas/universal');
  const read = (path: string) => readFileSync(path, 'utf8');
  expect(readdirSync(load).sort()).toEqual(['events-avro.avsc', 'events-protobuf.proto', 'events.json']);
  expect(read(`${load}events.json`)).toBe(
    read(fileURLToPath(new URL('../../config/schemas/log-entry.json', import.meta.url))),
  );
  const builtin = (subject: string) => BUILTIN_SUBJECTS.find((one) => one.subject === subject)?.schema.schema ?? '';
  expect(read(`${load}events-protobuf.proto`)).toBe(builtin('events-protobuf'));
  expect(JSON.parse(read(`${load}events-avro.avsc`))).toEqual(JSON.parse(builtin('events-avro')));
});
