import { expect, it } from 'vitest';
import { body, countRecords, onceEach } from '../support/batches.ts';
import { freePort } from '../support/broker-process.ts';
import { createClient } from '../support/client.ts';
import { startBroker } from '../support/kafka-broker.ts';
import { eventually } from '../support/storage.ts';
import { awaitDrained, awaitStored, createStream } from '../support/version2.ts';
import type { Containers } from './containers.ts';
import { docker } from './docker.ts';

/** Version 2 in a container on the network of the machine, where a real broker runs. */
export function describeVersion2(own: () => Containers): void {
  it('stores once what it accepted while its broker ran, was stopped, and after docker kill and docker stop', async () => {
    const { engine } = own();
    const broker = await startBroker();
    try {
      const stream = createStream(broker.brokers);
      const hostPort = await freePort();
      const env = { ...stream.env, LOGFORGE_SERVER_ADDR: `127.0.0.1:${hostPort}` };
      const settings = Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
      const command = ['serve', '--config', '/app/config/examples/config.v2.yaml'];
      const data = await own().volume();
      const options = { data, command, docker: settings, hostPort } as const;
      const first = await own().start(options);
      const client = createClient(hostPort);
      expect(await client.post(body(1))).toMatchObject({ status: 202 });
      await awaitStored(stream);

      await broker.stop();
      // It waits in the spool, on the volume.
      await eventually(async () => expect(await client.post(body(2))).toMatchObject({ status: 202 }));
      client.close();
      await docker(engine, 'kill', first.name);
      await own().remove(first);
      const second = await own().start({ ...options, until: 'listening' });
      await broker.restart();
      await eventually(async () => expect((await fetch(`${second.url}/ready`)).status).toBe(200), 60_000);
      await awaitDrained(second);
      await awaitStored(stream);
      await docker(engine, 'stop', '--time', '40', second.name);
      expect(await second.state()).toMatchObject({ Running: false, ExitCode: 0 });
      expect(await own().withData(second, countRecords)).toEqual(onceEach([1, 2]));
    } finally {
      await broker.dispose();
    }
  });
}
