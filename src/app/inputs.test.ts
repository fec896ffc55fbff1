import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { createTestLog } from '../../test/support/queues.ts';
import { loadConfig } from '../config/config.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { BUILTIN_SCHEMAS } from '../model/builtin-schemas.ts';
import { FirstHours } from '../model/first-hours.ts';
import { createLifecycle } from '../runtime/lifecycle.ts';
import { createInputs } from './inputs.ts';

it('inputs stop together, so that each has the whole time', async () => {
  const { config } = loadConfig({
    text: 'inputs:\n  - {name: a, type: tcp, addr: "127.0.0.1:0"}\n  - {name: b, type: tcp, addr: "127.0.0.1:0"}\n',
  });
  const places: number[] = [];
  const test = createTestLog();
  const log = {
    ...test,
    info: (_message: string, fields?: Readonly<Record<string, unknown>>) =>
      void places.push(Number(String(fields?.where).split(':')[1])),
  };
  const lifecycle = createLifecycle(test);
  const inputs = createInputs({
    config,
    schemas: BUILTIN_SCHEMAS,
    firstHours: new FirstHours(['events']),
    deliver: async () => ({ durability: 'disk' }),
    metrics: createMetrics({ defaultMetrics: false, inputs: ['a', 'b'] }),
    positionOf: () => undefined,
    log,
    lifecycle,
  });
  await inputs.start();
  const clients = await Promise.all(
    places.map(async (port) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).resume();
      await once(socket, 'connect');
      return socket;
    }),
  );
  // Each goes on sending until both inputs have told that they stop.
  const sending = setInterval(() => clients.forEach((client) => void client.write('x\n')), 20);
  const told = Promise.all(clients.map((client) => once(client, 'end'))).then(() => {
    clearInterval(sending);
    for (const client of clients) client.end();
  });
  const begun = performance.now();
  expect(await lifecycle.stop(30_000)).toBe(true);
  await told;
  expect(performance.now() - begun).toBeLessThan(8_000);
});
