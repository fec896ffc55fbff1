import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { type Dirs, serviceEnv, startService } from '../../test/support/service.ts';
import { readCpuSeconds } from '../processes.ts';
import type { Cell } from './cells.ts';
import type { Dropped, FromReceiver, Received, ReceiverInput } from './messages.ts';
import type { RunOptions } from './run.ts';

/** The receiving end of a run, in a process of its own. */
export interface Receiver {
  readonly pid: number;
  /** `host:port` or a path. */
  readonly where: string;
  /** What follows is measured. */
  begin(): void;
  /** Waits until so many records are stored, or until no more come. */
  finish(records: number): Promise<{ readonly stored: Received | undefined; readonly cpuSeconds: number }>;
  /** Resolves when the store is closed. */
  closed(): Promise<Dropped>;
}

interface Place extends RunOptions {
  readonly dirs: Dirs;
  readonly epochNs: bigint;
  /** Takes the process, which is killed at the end of the run. */
  readonly children: ChildProcess[];
}

const RECEIVER = join(import.meta.dirname, 'receiver.ts');

/** An input of the product, without HTTP. */
export async function startReceiver(cell: Cell, place: Place): Promise<Receiver> {
  const { dirs, epochNs, warmUpMs, children } = place;
  const { transport, size, part, durability } = cell;
  const input: ReceiverInput = {
    ...{ transport, size, warmUpMs, epochNs: String(epochNs) },
    yaml: configure(cell, place),
    isTimed: part === 'latency',
  };
  const env = serviceEnv(dirs, { LOGFORGE_STORAGE_DURABILITY: durability });
  const child = fork(RECEIVER, [JSON.stringify(input)], { env, cwd: dirs.root, stdio: 'inherit' });
  children.push(child);
  const read = createReader<FromReceiver>(child, 'receiver');
  const { where } = await read('open');
  return {
    pid: child.pid ?? 0,
    where,
    begin: () => void child.send({ kind: 'begin' }),
    async finish(records) {
      child.send({ kind: 'finish', records });
      const stored = await read('stored');
      return { stored, cpuSeconds: stored.cpuSeconds };
    },
    closed: () => read('closed'),
  };
}

function configure({ transport }: Cell, { dirs, certificate }: Place): string {
  const type = transport === 'tls' ? 'tcp' : transport;
  const hasAddress = type === 'tcp' || type === 'udp';
  const input = {
    name: 'bench',
    type,
    ...(hasAddress ? { addr: '127.0.0.1:0' } : { path: join(dirs.root, 'in') }),
    ...(transport === 'tls' && { tls: certificate }),
  };
  // JSON is YAML.
  return `inputs: [${JSON.stringify(input)}]\n`;
}

/** The whole service. A record is stored when it is answered. */
export async function startHttp({ durability }: Cell, { dirs }: Place): Promise<Receiver> {
  const env = { LOGFORGE_STORAGE_DURABILITY: durability, LOGFORGE_AGGREGATION_ENABLED: 'false' };
  const service = await startService({ dirs, env });
  let before = 0;
  return {
    pid: service.pid,
    where: `127.0.0.1:${service.port}`,
    begin() {
      before = readCpuSeconds(service.pid);
    },
    finish: async () => ({ stored: undefined, cpuSeconds: readCpuSeconds(service.pid) - before }),
    async closed() {
      await service.stop();
      return { datagrams: 0, frames: 0 };
    },
  };
}

type Kinds = { readonly kind: string };

/** Waits for messages of a process, one after the other. Rejects when it ends before. */
export function createReader<T extends Kinds>(child: ChildProcess, name: string) {
  const arrived: T[] = [];
  let waiting: (() => void) | undefined;
  let ended: string | undefined;
  child.on('message', (message) => {
    // The programs of this folder send it.
    arrived.push(message as T);
    waiting?.();
  });
  child.on('exit', (code, signal) => {
    ended = `the ${name} ended with ${code ?? signal}`;
    waiting?.();
  });
  return async function read<K extends T['kind']>(kind: K): Promise<Extract<T, { readonly kind: K }>> {
    while (arrived.length === 0) {
      if (ended !== undefined) throw new Error(`cannot measure: ${ended} before it said "${kind}"`);
      await new Promise<void>((resolve) => {
        waiting = resolve;
      });
    }
    const message = arrived.shift() as T;
    if (message.kind !== kind) throw new Error(`cannot measure: the ${name} said "${message.kind}", not "${kind}"`);
    return message as Extract<T, { readonly kind: K }>;
  };
}
