import type { MessagePort, Transferable, Worker } from 'node:worker_threads';

/** A call from the other thread: one argument, one result, both cloned on the way unless they are handed over. */
type Handler = (argument: never) => Promise<unknown>;

/** A result of which some memory is not cloned but changes hands. */
export class HandedOver {
  readonly result: unknown;
  readonly memory: readonly ArrayBuffer[];

  constructor(result: unknown, memory: readonly ArrayBuffer[]) {
    this.result = result;
    this.memory = memory;
  }
}

type Message =
  | { readonly call: number; readonly method: string; readonly argument: unknown }
  | { readonly reply: number; readonly result: unknown }
  | { readonly reply: number; readonly failure: string };

/** Calls between two threads, both ways, over one port. */
export interface Channel {
  /** Rejects with the handler's message when it fails there, and when the other thread ends. */
  call(method: string, argument?: unknown, transfer?: readonly Transferable[]): Promise<unknown>;
  /** The other thread is gone: every open call rejects, later ones do at once. */
  end(reason: string): void;
}

interface Open {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export function createChannel(
  port: Pick<MessagePort | Worker, 'postMessage' | 'on'>,
  handlers: Readonly<Record<string, Handler>>,
): Channel {
  const open = new Map<number, Open>();
  let next = 0;
  let ended: string | undefined;

  const send = (message: Message, transfer: readonly Transferable[] = []): void => {
    port.postMessage(message, [...transfer]);
  };

  const answer = async (reply: number, method: string, argument: unknown): Promise<void> => {
    try {
      const handler = handlers[method];
      if (handler === undefined) throw new Error(`no such call: ${method}`);
      // Both ends are ours and compiled together: `method` says what the argument is.
      const result = await handler(argument as never);
      if (result instanceof HandedOver) send({ reply, result: result.result }, result.memory);
      else send({ reply, result });
    } catch (error) {
      send({ reply, failure: error instanceof Error ? error.message : String(error) });
    }
  };

  port.on('message', (message: Message) => {
    if ('call' in message) {
      void answer(message.call, message.method, message.argument);
      return;
    }
    const waiting = open.get(message.reply);
    open.delete(message.reply);
    if ('failure' in message) waiting?.reject(new Error(message.failure));
    else waiting?.resolve(message.result);
  });

  return {
    call(method, argument, transfer = []) {
      if (ended !== undefined) return Promise.reject(new Error(ended));
      const call = next++;
      return new Promise((resolve, reject) => {
        open.set(call, { resolve, reject });
        send({ call, method, argument }, transfer);
      });
    },
    end(reason) {
      ended = reason;
      for (const { reject } of open.values()) reject(new Error(reason));
      open.clear();
    },
  };
}
