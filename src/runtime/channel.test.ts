import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createChannel, HandedOver, type Handlers } from './channel.ts';

interface Calls {
  add(numbers: { readonly a: number; readonly b: number }): number;
  fill(bytes: Uint8Array): Uint8Array;
  fail(): void;
  never(): void;
}

const handlers: Handlers<Calls> = {
  add: async ({ a, b }) => a + b,
  async fill(bytes) {
    const filled = new Uint8Array(bytes.length).fill(7);
    return new HandedOver(filled, [filled.buffer]);
  },
  fail: () => Promise.reject(new TypeError('not today')),
  never: () => new Promise(() => undefined),
};

function openPorts(): MessageChannel {
  const ports = new MessageChannel();
  onTestFinished(() => ports.port1.close());
  return ports;
}

function connect() {
  const { port1, port2 } = openPorts();
  createChannel<object>(port2).answer<Calls>(handlers);
  return createChannel<Calls>(port1);
}

describe('a channel', () => {
  it('calls the other thread with one argument or none, and gives its result', async () => {
    const { remote } = connect();
    expect(await Promise.all([remote.add({ a: 1, b: 2 }), remote.add({ a: 3, b: 4 })])).toEqual([3, 7]);
  });

  it('hands memory over with an argument and with a result', async () => {
    const { remote } = connect();
    const bytes = new Uint8Array(100_000);
    const filled = await remote.fill(new HandedOver(bytes, [bytes.buffer]));
    expect(bytes.length).toBe(0);
    expect(filled).toEqual(new Uint8Array(100_000).fill(7));
  });

  it('answers calls both ways', async () => {
    const { port1, port2 } = openPorts();
    const one = createChannel<Calls>(port1);
    const two = createChannel<Calls>(port2);
    one.answer<Calls>(handlers);
    two.answer<Calls>(handlers);
    expect(await Promise.all([one.remote.add({ a: 1, b: 1 }), two.remote.add({ a: 2, b: 2 })])).toEqual([2, 4]);
  });

  it('passes on why a handler failed, and that there is none', async () => {
    const { port1, port2 } = openPorts();
    createChannel<object>(port2).answer<Pick<Calls, 'fail'>>({ fail: handlers.fail });
    const { remote } = createChannel<Calls>(port1);
    await expect(remote.fail()).rejects.toThrow('not today');
    await expect(remote.add({ a: 1, b: 2 })).rejects.toThrow('no such call: add');
  });

  it('rejects open and later calls when the other thread has ended', async () => {
    const channel = connect();
    const open = channel.remote.never();
    channel.end('the thread ended');
    await expect(open).rejects.toThrow('the thread ended');
    await expect(channel.remote.add({ a: 1, b: 2 })).rejects.toThrow('the thread ended');
  });

  it('is checked by the compiler at both ends', () => {
    const { remote } = connect();
    const wrong = () => {
      // @ts-expect-error: the argument is of another type
      void remote.add({ a: 'one', b: 2 });
      // @ts-expect-error: the argument is missing
      void remote.add();
      // @ts-expect-error: there is no such call
      void remote.subtract({ a: 1, b: 2 });
      // @ts-expect-error: the result is of another type
      const other: Handlers<Calls>['add'] = async () => 'three';
      return other;
    };
    expect(wrong).toBeTypeOf('function');
  });
});
