import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { Attack } from './attack.ts';

/** The head of a request as text, with its empty line. `headers` replace or add to those of a JSON batch. */
export function head(target: string, headers: Readonly<Record<string, string | number>>): string {
  const lines = Object.entries({ Host: '127.0.0.1', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** A whole POST /logs. */
export function post(body: Buffer | string, headers: Readonly<Record<string, string | number>> = {}): Buffer {
  const bytes = Buffer.from(body);
  const all = { 'Content-Type': 'application/json', 'Content-Length': bytes.length, ...headers };
  return Buffer.concat([Buffer.from(head('POST /logs', all)), bytes]);
}

/** Resolves with a connection, or undefined when it is refused. It is destroyed when the attack ends. */
export function open({ port, signal }: Pick<Attack, 'port' | 'signal'>): Promise<Socket | undefined> {
  const { promise, resolve } = Promise.withResolvers<Socket | undefined>();
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const end = () => socket.destroy();
  signal.addEventListener('abort', end, { once: true });
  socket.on('error', () => resolve(undefined));
  socket.on('close', () => {
    signal.removeEventListener('abort', end);
    resolve(undefined);
  });
  socket.on('connect', () => resolve(socket));
  if (signal.aborted) end();
  return promise;
}

/** The status of the first answer on a connection; undefined when the connection ends before, or after `timeoutMs`. */
export function firstStatus(socket: Socket, timeoutMs = 10_000): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const timer = setTimeout(() => resolve(undefined), timeoutMs);
  let text = '';
  socket.on('data', (part: Buffer) => {
    if (text.length < 16) text += part.toString('latin1', 0, 16);
    if (text.length >= 12) resolve(text.slice(9, 12));
  });
  socket.on('end', () => resolve(undefined));
  socket.on('close', () => resolve(undefined));
  return promise.finally(() => clearTimeout(timer));
}

/** Sends one request on a connection of its own, and counts its status. */
export async function ask(attack: Attack, request: Buffer): Promise<void> {
  const socket = await open(attack);
  if (socket === undefined) {
    attack.count('refused');
    return;
  }
  socket.write(request);
  attack.count((await firstStatus(socket)) ?? 'no answer');
  socket.destroy();
}

/** Resolves after `ms`, or when the attack ends. */
export async function pause(signal: AbortSignal, ms: number): Promise<void> {
  try {
    await wait(ms, undefined, { signal });
  } catch {
    // The attack is over.
  }
}

/** Calls `act` every `everyMs` until the attack ends. At most `atOnce` calls run; further ones are left out. */
export async function repeat(
  { signal }: Pick<Attack, 'signal'>,
  { everyMs, atOnce }: { readonly everyMs: number; readonly atOnce: number },
  act: () => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  while (!signal.aborted) {
    if (running.size < atOnce) {
      const call = act().finally(() => running.delete(call));
      running.add(call);
    }
    await pause(signal, everyMs);
  }
  await Promise.all(running);
}

/** Keeps `connections` of `act` running until the attack ends; one that ends is followed by another after `pauseMs`. */
export async function keep(
  { signal }: Pick<Attack, 'signal'>,
  { connections, pauseMs }: { readonly connections: number; readonly pauseMs: number },
  act: () => Promise<void>,
): Promise<void> {
  const loop = async () => {
    while (!signal.aborted) {
      await act();
      await pause(signal, pauseMs);
    }
  };
  await Promise.all(Array.from({ length: connections }, loop));
}

/** Resolves when the connection is closed. */
export function closed(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (socket.destroyed) resolve();
  socket.on('close', () => resolve());
  return promise;
}
