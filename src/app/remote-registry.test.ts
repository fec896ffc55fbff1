import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createMemoryRegistry } from '../../test/support/registry.ts';
import { RegistryFault } from '../model/registry.ts';
import { createChannel } from '../runtime/channel.ts';
import { createRemoteRegistry, type RegistryCall, type RegistryReply, serveRegistry } from './remote-registry.ts';

interface Calls {
  registry(call: RegistryCall): RegistryReply;
}

/** A registry at the other end of a channel. */
function connect() {
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => port1.close());
  const { registry } = createMemoryRegistry();
  createChannel<Calls>(port1).answer<Calls>({ registry: serveRegistry(registry) });
  const { remote } = createChannel<Calls>(port2);
  return createRemoteRegistry((call) => remote.registry(call));
}

describe('the registry of another thread', () => {
  it('answers as if it were here, faults among it', async () => {
    const registry = connect();
    const proposed = { type: 'AVRO', schema: '"int"', references: [] } as const;
    expect(await registry.register({ subject: 's', proposed })).toMatchObject({ version: 1, schema: { id: 1 } });
    expect(await registry.subjects({ prefix: '', deleted: 'no' })).toEqual(['s']);
    const fault = await registry.schema({ id: 9 }).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(RegistryFault);
    expect(fault).toMatchObject({ kind: 'schema-not-found', message: 'Schema 9 not found' });
  });
});
