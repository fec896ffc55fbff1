import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '../support/docker-engine.ts';
import type { Finished } from '../support/run.ts';
import type { Dirs } from '../support/service.ts';
import { eventually } from '../support/storage.ts';
import { docker, HARDENED, inspect, runOn } from './docker.ts';

export interface Container {
  readonly name: string;
  /** On 127.0.0.1 of this machine. */
  readonly port: number;
  readonly url: string;
  logs(): Promise<Finished>;
  /** Runs a program in it. */
  exec(...command: readonly string[]): Promise<string>;
  state(): Promise<{ readonly Running: boolean; readonly ExitCode: number; readonly OOMKilled: boolean }>;
}

/** The containers of one test file: what it makes ends with it. */
export interface Containers {
  readonly engine: Engine;
  readonly image: string;
  /** A new volume. */
  volume(): Promise<string>;
  /** Starts the image hardened, with `/data` on a volume or a folder, and waits until it serves. */
  start(options: {
    readonly data: string;
    readonly docker?: readonly string[];
    readonly command?: readonly string[];
    /** For a container on the network of the machine; absent: port 8082 is published. */
    readonly hostPort?: number;
    /** Absent: until it is ready. */
    readonly until?: 'ready' | 'listening';
  }): Promise<Container>;
  /** After a `docker start`, which publishes another port. */
  again(container: Container): Promise<Container>;
  remove(container: Container): Promise<void>;
  /** Copies the data of a container, which may have ended, and gives it to `look`. */
  withData<T>(container: Container, look: (dirs: Dirs) => Promise<T>): Promise<T>;
  cleanUp(): Promise<void>;
}

const PORT = 8082;

export async function createContainers(engine: Engine, image: string): Promise<Containers> {
  const name = `logforge-test-${randomUUID().slice(0, 8)}`;
  await docker(engine, 'network', 'create', name);
  const names: string[] = [];
  const volumes: string[] = [];

  async function open(id: string, hostPort: number | undefined, until: 'ready' | 'listening'): Promise<Container> {
    const port = hostPort ?? (await publishedPort(engine, id));
    const url = `http://127.0.0.1:${port}`;
    const container: Container = {
      name: id,
      port,
      url,
      logs: () => runOn(engine, ['docker', 'logs', id]),
      exec: (...command) => docker(engine, 'exec', id, ...command),
      state: () => inspect(engine, '.State', id),
    };
    await eventually(async () => {
      const answer = await fetch(`${url}/ready`).catch(() => undefined);
      if (answer?.ok || (answer !== undefined && until === 'listening')) return;
      const { stdout, stderr } = await container.logs();
      throw new Error(`${id} is not ${until}: ${await answer?.text()}\n${stdout}${stderr}`);
    }, 30_000);
    return container;
  }

  const remove = async ({ name: id }: Pick<Container, 'name'>) => {
    await docker(engine, 'rm', '--force', id);
  };

  return {
    engine,
    image,
    remove,
    volume: async () => {
      const volume = `${name}-${volumes.length}`;
      volumes.push(volume);
      return docker(engine, 'volume', 'create', volume);
    },
    start: async ({ data, docker: more = [], command = [], hostPort, until = 'ready' }) => {
      const id = `${name}-${names.length}`;
      names.push(id);
      const network =
        hostPort === undefined ? ['--network', name, '--publish', `127.0.0.1::${PORT}`] : ['--network', 'host'];
      const options = [...HARDENED, ...network, '--volume', `${data}:/data`, ...more];
      await docker(engine, 'run', '--detach', '--name', id, ...options, image, ...command);
      return open(id, hostPort, until);
    },
    again: ({ name: id }) => open(id, undefined, 'ready'),
    withData: async ({ name: id }, look) => {
      const root = await mkdtemp(join(tmpdir(), 'logforge-image-'));
      try {
        await docker(engine, 'cp', `${id}:/data/.`, root);
        const [logs, analytics] = [join(root, 'logs'), join(root, 'analytics')];
        return await look({ root, logs, analytics, state: join(root, 'state'), dlq: join(root, 'dlq') });
      } finally {
        await rm(root, { recursive: true, force: true });
      }
    },
    cleanUp: async () => {
      for (const id of names) await runOn(engine, ['docker', 'rm', '--force', id]);
      for (const volume of volumes) await docker(engine, 'volume', 'rm', volume);
      await docker(engine, 'network', 'rm', name);
    },
  };
}

async function publishedPort(engine: Engine, id: string): Promise<number> {
  const said = await docker(engine, 'port', id, `${PORT}/tcp`);
  const port = /:(\d+)$/m.exec(said)?.[1];
  if (port === undefined) throw new Error(`${id} publishes no port: ${said}`);
  return Number(port);
}
