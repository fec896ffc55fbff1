import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrokerOptions, freePort, startBrokerProcess, stopBrokerProcess } from './broker-process.ts';

/** A broker of a test's own, that it may kill. */
export interface TestBroker {
  /** `host:port`, for a client's list of brokers. */
  readonly brokers: readonly string[];
  readonly port: number;
  /** Stops it as an operator would. `restart` brings it back with its data. */
  stop(): Promise<void>;
  kill9(): Promise<void>;
  /** Starts it again on the same port with the same data. */
  restart(): Promise<void>;
  /** Ends it and deletes its data. */
  dispose(): Promise<void>;
}

export async function startBroker(options: Omit<Partial<BrokerOptions>, 'dir'> = {}): Promise<TestBroker> {
  const dir = await mkdtemp(join(tmpdir(), 'logforge-kafka-'));
  // Ready sooner: a test's broker does not live long enough for the better compiler to pay.
  const javaOptions = options.javaOptions ?? ['-XX:TieredStopAtLevel=1'];
  // A broker that was killed is back as soon as it is up: else it is kept out while its last session might still live.
  const properties = {
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    ...options.properties,
  };
  const broker = { ...options, javaOptions, properties, dir, port: options.port ?? (await freePort()) };
  try {
    await startBrokerProcess(broker);
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
  return {
    brokers: [`127.0.0.1:${broker.port}`],
    port: broker.port,
    stop: () => stopBrokerProcess(dir),
    kill9: () => stopBrokerProcess(dir, 'SIGKILL'),
    restart: async () => {
      await startBrokerProcess(broker);
    },
    dispose: async () => {
      await stopBrokerProcess(dir, 'SIGKILL');
      await rm(dir, { recursive: true, force: true });
    },
  };
}
