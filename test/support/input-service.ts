import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, type NetConnectOpts } from 'node:net';
import { join } from 'node:path';
import { makeDirs, type Service, type ServiceOptions, startService } from './service.ts';
import { eventually, readRecords } from './storage.ts';

/** A service with inputs: the items of `inputs:` as YAML. The aggregator is off. */
export async function startWithInputs(inputs: readonly string[], options: ServiceOptions = {}): Promise<Service> {
  const dirs = options.dirs ?? (await makeDirs());
  const config = join(dirs.root, 'config.yaml');
  await writeFile(config, `inputs:\n${inputs.map((input) => `  - ${input}\n`).join('')}`);
  const env = { LOGFORGE_AGGREGATION_ENABLED: 'false', ...options.env };
  return startService({ ...options, dirs, args: ['--config', config], env });
}

/** Where an input listens, as the log says. */
export function whereOf(service: Service, name: string): Promise<string> {
  return eventually(() => {
    const found = new RegExp(`"input":"${name}","where":"([^"]+)"`).exec(service.logs())?.[1];
    if (found === undefined) throw new Error(`the log does not say where the input ${name} listens`);
    return found;
  });
}

/** Of `whereOf`, for `connect`. */
export function toConnect(service: Service, where: string): NetConnectOpts {
  if (!/:\d+$/.test(where)) return { path: join(service.dirs.root, where) };
  const at = where.lastIndexOf(':');
  return { host: where.slice(0, at), port: Number(where.slice(at + 1)) };
}

/** One record of the stream events: the `i`th of its sender, as a line. */
export function lineOf(sender: string, i: number): string {
  return `{"timestamp":"2015-05-17T10:00:00Z","level":"INFO","message":"${i}","service":"${sender}"}\n`;
}

/** The numbers that are stored of a sender, in order. */
export async function readNumbers(service: Service, sender: string): Promise<number[]> {
  const records = await readRecords(service.dirs, 'events');
  return records.filter((record) => record.service === sender).map(({ message }) => Number(message));
}

export interface LoadSender {
  readonly name: string;
  /** Lines that the kernel has taken so far. */
  sent(): number;
  /** Resolves when its connection is closed. It stops when it sees the end of the other side. */
  readonly closed: Promise<void>;
}

export interface SenderOptions {
  /** Of lines. Absent: until the other side closes. */
  readonly count?: number;
  /** Between two writes, so that a test has not too much to read. */
  readonly pauseMs?: number;
}

/** Lines of one write. */
export const LINES = 200;

/** Sends numbered lines over one connection. */
export async function startSender(
  where: NetConnectOpts,
  name: string,
  { count = Infinity, pauseMs = 0 }: SenderOptions = {},
): Promise<LoadSender> {
  const socket = connect(where);
  await once(socket, 'connect');
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  socket.on('error', () => undefined);
  socket.once('close', () => resolve());
  socket.resume();
  let sent = 0;
  let begun = 0;
  function sendMore(): void {
    if (begun >= count) {
      socket.end();
      return;
    }
    if (!socket.writable || socket.readableEnded) return;
    const from = begun;
    const to = Math.min(count, from + LINES);
    begun = to;
    const lines = Array.from({ length: to - from }, (_, i) => lineOf(name, from + i)).join('');
    socket.write(lines, (error) => {
      if (error) return;
      sent = to;
      setTimeout(sendMore, pauseMs);
    });
  }
  sendMore();
  return { name, sent: () => sent, closed };
}
