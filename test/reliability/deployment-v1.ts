import { type Dirs, type Exit, type Service, startService } from '../support/service.ts';
import { configureStreams } from '../support/streams.ts';
import { createHousekeeping } from './housekeeping.ts';
import type { Deployment, End, Node, ServiceStart } from './reliability.ts';

const LAST_WORDS = 3_000;

/** `mixed`: every second start has the other one, so a folder has hours of both forms; with compression at rest, retention and queries. */
export type LifeCompression = 'none' | 'zstd' | 'mixed';

/** One process on one set of folders. */
// Long: functions that share the running process.
export function createDeploymentV1(dirs: Dirs, compression: LifeCompression = 'none'): Deployment {
  const started: Service[] = [];
  const ends: End[] = [];
  let running: Service | undefined;
  let wanted: ServiceStart = {};
  let starting: Promise<Service> | undefined;
  /** The last signal, and when it was sent. */
  let sent: { readonly signal: NodeJS.Signals; readonly at: number } | undefined;

  const housekeeping = compression === 'mixed' ? createHousekeeping(dirs) : undefined;

  async function launch(extra: ServiceStart): Promise<Service> {
    const housekeepingEnv = await housekeeping?.beforeStart();
    const wrapper = [...(extra.wrapper ?? []), ...(wanted.wrapper ?? [])];
    const preload = [...(wanted.preload ?? []), ...(extra.preload ?? [])];
    const service = await startService({
      dirs,
      args: await configureStreams(dirs),
      env: {
        LOGFORGE_STORAGE_COMPRESSION:
          compression === 'mixed' ? (started.length % 2 === 0 ? 'zstd' : 'none') : compression,
        ...housekeepingEnv,
        ...wanted.env,
        ...extra.env,
      },
      wrapper,
      preload,
    });
    sent = undefined;
    started.push(service);
    running = service;
    // Faults of the disk and of the system work through these.
    housekeeping?.watch(service, wrapper.length + preload.length > 0);
    void service.exited.then((exit) => noteEnd(service, exit));
    return service;
  }

  function noteEnd(service: Service, exit: Exit): void {
    if (running === service) running = undefined;
    const milliseconds = sent === undefined ? 0 : performance.now() - sent.at;
    ends.push({
      node: 'service',
      signal: sent?.signal,
      exit,
      milliseconds,
      lastWords: service.logs().slice(-LAST_WORDS),
    });
  }

  const node: Node = {
    name: 'service',
    dirs,
    service: () => running,
    async end(signal) {
      const service = running;
      if (service === undefined) return undefined;
      sent = { signal, at: performance.now() };
      return service.stop(signal);
    },
    async start(extra = {}) {
      if (running !== undefined) throw new Error('cannot start the service: it runs');
      starting = launch(extra);
      return starting;
    },
  };

  return {
    nodes: [node],
    broker: undefined,
    keepsOrder: true,
    started,
    storeDirs: dirs,
    takeEnds: () => ends.splice(0),
    async start(start) {
      if (running !== undefined && JSON.stringify(start) !== JSON.stringify(wanted)) await node.end('SIGTERM');
      wanted = start;
      if (running === undefined) await node.start();
    },
    receiver() {
      if (running === undefined) throw new Error('the service does not run');
      return running;
    },
    // A 202 of version 1 is stored.
    rest: async () => 'settled',
    async stop() {
      try {
        if (running !== undefined) await housekeeping?.check(running);
      } finally {
        await node.end('SIGTERM');
      }
    },
    async dispose() {
      await starting?.catch(() => undefined);
      await node.end('SIGKILL');
    },
  };
}
