import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type BrokerOptions,
  freePort,
  runningBroker,
  startBrokerProcess,
  stopBrokerProcess,
} from './broker-process.ts';

/** A broker for one test, which may kill it. */
export interface TestBroker {
  /** `host:port`, for a client's list of brokers. */
  readonly brokers: readonly string[];
  readonly port: number;
  /** Stops it in order, with SIGTERM. `restart` starts it again with its data. */
  stop(): Promise<void>;
  kill9(): Promise<void>;
  /** Freezes its process (SIGSTOP): its connections stay, and it answers nothing. Ends with `resume`, or `kill9`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Starts it again on the same port with the same data. */
  restart(): Promise<void>;
  /** Ends it and deletes its data. */
  dispose(): Promise<void>;
}

export async function startBroker(options: Omit<Partial<BrokerOptions>, 'dir'> = {}): Promise<TestBroker> {
  const dir = await mkdtemp(join(tmpdir(), 'logforge-kafka-'));
  // The fast compiler makes it ready sooner. A test is too short to gain from the better one.
  const javaOptions = options.javaOptions ?? ['-XX:TieredStopAtLevel=1'];
  // With short sessions a killed broker rejoins as soon as it runs. Otherwise it waits until its last session expires.
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
    pause: () => signalBroker(dir, 'SIGSTOP'),
    resume: () => signalBroker(dir, 'SIGCONT'),
    restart: async () => {
      await startBrokerProcess(broker);
    },
    dispose: async () => {
      await stopBrokerProcess(dir, 'SIGKILL');
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function signalBroker(dir: string, signal: NodeJS.Signals): Promise<void> {
  const pid = await runningBroker(dir);
  if (pid === undefined) throw new Error(`cannot send ${signal}: no broker runs in ${dir}`);
  process.kill(pid, signal);
}
