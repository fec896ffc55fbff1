import type { MessagePort, Worker } from 'node:worker_threads';

/*
 * Calls between two threads, both ways, over one port. What may be called is declared once, as an interface of methods:
 *
 *   interface Calls { add(numbers: { a: number; b: number }): number }
 *
 * and the compiler holds both ends to it: the end that answers is Handlers<Calls>, the end that calls is Remote<Calls>.
 * A method takes no argument or one. Argument and result are cloned on the way (structured clone: a Buffer arrives as a
 * Uint8Array), unless their memory is handed over.
 */

/** The argument of a call, as a list of none or one. */
type Argument<Call> = Call extends (...argument: infer A) => unknown ? A : never;
type Result<Call> = Call extends (...argument: never) => infer R ? Awaited<R> : never;
/** The same, some memory of which may be handed over. */
type OrHandedOver<A> = { [I in keyof A]: A[I] | HandedOver<A[I]> };

/** The end that answers. What it throws arrives as an Error with the same message. */
export type Handlers<Calls> = {
  readonly [N in keyof Calls]: (
    ...argument: Argument<Calls[N]>
  ) => Promise<Result<Calls[N]> | HandedOver<Result<Calls[N]>>>;
};

/** The end that calls. A call rejects when its handler fails, and when the other thread ends. */
export type Remote<Calls> = {
  readonly [N in keyof Calls]: (...argument: OrHandedOver<Argument<Calls[N]>>) => Promise<Result<Calls[N]>>;
};

/** An argument or a result of which some memory is not cloned but changes hands. */
export class HandedOver<out T> {
  readonly value: T;
  readonly memory: readonly ArrayBuffer[];

  constructor(value: T, memory: readonly ArrayBuffer[]) {
    this.value = value;
    this.memory = memory;
  }
}

export interface Channel<Calls> {
  /** The calls that the other thread answers. */
  readonly remote: Remote<Calls>;
  /** Answers the other thread's calls. To be called in the turn in which the channel was made: no call comes before. */
  answer<Own>(handlers: Handlers<Own>): void;
  /** The other thread has ended: every open call rejects, later ones do at once. */
  end(reason: string): void;
}

type Message =
  | { readonly call: number; readonly name: string; readonly argument: unknown }
  | { readonly reply: number; readonly result: unknown }
  | { readonly reply: number; readonly failure: string };

interface Open {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export function createChannel<Calls>(port: Pick<MessagePort | Worker, 'postMessage' | 'on'>): Channel<Calls> {
  const open = new Map<number, Open>();
  let handlers: ReadonlyMap<string, Handler> = new Map();
  let next = 0;
  let ended: string | undefined;

  const answerCall = async (reply: number, name: string, argument: unknown): Promise<void> => {
    try {
      const handler = handlers.get(name);
      if (handler === undefined) throw new Error(`no such call: ${name}`);
      const result = await handler(argument as never);
      const { value, memory } = unwrap(result);
      port.postMessage({ reply, result: value } satisfies Message, memory);
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      port.postMessage({ reply, failure } satisfies Message, []);
    }
  };

  port.on('message', (message: Message) => {
    if ('call' in message) {
      void answerCall(message.call, message.name, message.argument);
      return;
    }
    const waiting = open.get(message.reply);
    open.delete(message.reply);
    if ('failure' in message) waiting?.reject(new Error(message.failure));
    else waiting?.resolve(message.result);
  });

  return {
    remote: toRemote<Calls>((name, argument) => {
      if (ended !== undefined) return Promise.reject(new Error(ended));
      const call = next++;
      return new Promise((resolve, reject) => {
        open.set(call, { resolve, reject });
        const { value, memory } = unwrap(argument);
        port.postMessage({ call, name, argument: value } satisfies Message, memory);
      });
    }),
    answer(own) {
      handlers = new Map(Object.entries(own));
    },
    end(reason) {
      ended = reason;
      for (const { reject } of open.values()) reject(new Error(reason));
      open.clear();
    },
  };
}

/** Any handler. What it takes and gives is known to the interface of its calls alone. */
type Handler = (argument: never) => Promise<unknown>;

/**
 * The calls as functions over one that sends them by name. Here, and where a handler is given its argument, what comes
 * from the other thread gets its type: both threads are compiled from the same interface.
 */
export function toRemote<Calls>(call: (name: string, argument: unknown) => Promise<unknown>): Remote<Calls> {
  const functions = new Proxy({}, { get: (_, name) => (argument?: unknown) => call(String(name), argument) });
  return functions as Remote<Calls>;
}

function unwrap(value: unknown): { readonly value: unknown; readonly memory: ArrayBuffer[] } {
  return value instanceof HandedOver ? { value: value.value, memory: [...value.memory] } : { value, memory: [] };
}
