import { type FaultKind, type Registry, RegistryFault } from '../model/registry.ts';
import { toRemote } from '../runtime/channel.ts';

/** One call of the registry, on its way to another thread. */
export interface RegistryCall {
  readonly name: string;
  readonly argument: unknown;
}

/** An error loses its kind between threads, so a fault goes as a result. */
export type RegistryReply =
  | { readonly result: unknown }
  | { readonly fault: { readonly kind: FaultKind; readonly message: string } };

/** The registry of another thread. */
export function createRemoteRegistry(send: (call: RegistryCall) => Promise<RegistryReply>): Registry {
  return toRemote<Registry>(async (name, argument) => {
    const reply = await send({ name, argument });
    if ('result' in reply) return reply.result;
    throw new RegistryFault(reply.fault.kind, reply.fault.message);
  });
}

/** The other end. Both threads are compiled from the same interface, so the call has a method and its argument. */
export function serveRegistry(registry: Registry): (call: RegistryCall) => Promise<RegistryReply> {
  return async ({ name, argument }) => {
    try {
      return { result: await registry[name as keyof Registry](argument as never) };
    } catch (error) {
      if (error instanceof RegistryFault) return { fault: { kind: error.kind, message: error.message } };
      throw error;
    }
  };
}
