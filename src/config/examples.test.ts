import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadConfig } from './config.ts';

const folder = fileURLToPath(new URL('../../config/examples/', import.meta.url));
const files = readdirSync(folder).sort();

test('there is an example for each version, in a container and at home', () => {
  expect(files).toEqual(['config.v1.local.yaml', 'config.v1.yaml', 'config.v2.local.yaml', 'config.v2.yaml']);
});

test.each(files)('%s loads', (file) => {
  const { config } = loadConfig({ file: folder + file });
  const version = file.includes('.v2.') ? 2 : 1;
  const isLocal = file.includes('.local.');
  expect(config.version).toBe(version);
  expect(config.server.addr).toBe(`${isLocal ? '127.0.0.1' : ''}:${version === 1 ? 8082 : 8083}`);
  const { durability, minFreeBytes, ...directories } = config.storage;
  expect(durability).toBe('disk');
  expect(minFreeBytes).toBe('off');
  for (const directory of Object.values(directories)) expect(directory.startsWith('/data/')).toBe(!isLocal);
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
