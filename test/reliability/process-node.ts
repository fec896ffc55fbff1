import { isDeepStrictEqual } from 'node:util';
import type { Dirs, Service } from '../support/service.ts';
import type { End, Node, ServiceStart } from './reliability.ts';

/** A node with what a deployment needs of it. */
export interface ProcessNode extends Node {
  /** What the next start gets. A process that runs with another one is stopped, and started with it. */
  use(start: ServiceStart): Promise<void>;
  /** Every process so far. */
  readonly started: readonly Service[];
  takeEnds(): readonly End[];
  /** Kills it, also when it is just starting. */
  dispose(): Promise<void>;
}

const LAST_WORDS = 4_000;

/** `launch` starts the process with what the node's place in the deployment adds to `start`. */
export function createProcessNode(options: {
  readonly name: Node['name'];
  readonly dirs: Dirs;
  readonly launch: (start: ServiceStart) => Promise<Service>;
}): ProcessNode {
  const { name, dirs, launch } = options;
  const started: Service[] = [];
  const ends: End[] = [];
  const signals = new Map<Service, { readonly signal: NodeJS.Signals; readonly at: number }>();
  let running: { readonly service: Service; readonly start: ServiceStart } | undefined;
  let starting: Promise<Service> | undefined;
  let wanted: ServiceStart = {};
  let isOver = false;

  async function start(extra: ServiceStart = {}): Promise<Service> {
    if (isOver) throw new Error(`cannot start the ${name}: the life is over`);
    if (running !== undefined) return running.service;
    starting ??= launch(merge(wanted, extra)).finally(() => {
      starting = undefined;
    });
    const service = await starting;
    if (!started.includes(service)) follow(service);
    return service;
  }

  function follow(service: Service): void {
    started.push(service);
    running = { service, start: wanted };
    void service.exited.then((exit) => {
      if (running?.service === service) running = undefined;
      const sent = signals.get(service);
      const milliseconds = sent === undefined ? 0 : performance.now() - sent.at;
      ends.push({ node: name, signal: sent?.signal, exit, milliseconds, lastWords: service.logs().slice(-LAST_WORDS) });
    });
  }

  const end: Node['end'] = async (signal) => {
    const service = running?.service;
    if (service === undefined) return undefined;
    signals.set(service, { signal, at: performance.now() });
    return service.stop(signal);
  };

  return {
    name,
    dirs,
    started,
    service: () => running?.service,
    start,
    end,
    async use(next) {
      wanted = next;
      if (running !== undefined && !isDeepStrictEqual(running.start, next)) await end('SIGTERM');
    },
    takeEnds: () => ends.splice(0),
    async dispose() {
      isOver = true;
      await starting?.catch(() => undefined);
      await Promise.all(started.map((service) => service.stop('SIGKILL')));
    },
  };
}

function merge(one: ServiceStart, two: ServiceStart): ServiceStart {
  return {
    env: { ...one.env, ...two.env },
    wrapper: [...(one.wrapper ?? []), ...(two.wrapper ?? [])],
    preload: [...(one.preload ?? []), ...(two.preload ?? [])],
  };
}
