import { expect, it } from 'vitest';
import { createTestLog } from '../../test/support/queues.ts';
import { loadConfig } from '../config/config.ts';
import { fitConnections } from './connections.ts';

const INPUTS = `
server: {maxConnections: 10000}
inputs:
  - {name: many, type: tcp, addr: ":0", maxConnections: 5000}
  - {name: few, type: unixsock, path: ./in.sock, maxConnections: 10}
  - {name: none, type: udp, addr: ":0"}
`;

const { config: configured } = loadConfig({ text: INPUTS });

it('connections of HTTP and of inputs fit into the limit of descriptors together', () => {
  const { config, descriptors } = fitConnections(configured, createTestLog(), 600);
  const allowed = [config.server, ...config.inputs.slice(0, 2)].map(({ maxConnections }) => maxConnections);
  expect(allowed.reduce((sum, connections) => sum + connections, 0)).toBeLessThanOrEqual(descriptors.connections);
  expect(descriptors.connections + descriptors.files).toBeLessThan(600);
  // Who wants few gets them, and the others share the rest.
  expect(allowed[2]).toBe(10);
  expect(allowed[0]).toBe(allowed[1]);
  expect(config.inputs[2]).toEqual(configured.inputs[2]);
});

it('nothing changes where the limit is high', () => {
  expect(fitConnections(configured, createTestLog(), 1_048_576).config).toEqual(configured);
});

it('warns of each input that gets fewer than its maxConnections', () => {
  const warned: unknown[] = [];
  const log = { info: () => undefined, warn: (...args: unknown[]) => void warned.push(args) };
  const { config } = fitConnections(configured, log, 600);
  const allowed = config.inputs[0]?.maxConnections;
  expect(warned).toHaveLength(2);
  expect(warned[1]).toEqual([
    'maxConnections of an input is more than the limit of file descriptors allows; fewer are accepted',
    { input: 'many', maxConnections: 5_000, allowed, limit: 600 },
  ]);
});
