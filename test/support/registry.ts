import { compileSchema } from '../../src/decode/protobuf/message-types.ts';
import { createRecordCheck } from '../../src/decode/schema-check/schema-check.ts';
import type { Registry } from '../../src/model/registry.ts';
import { type SchemaEvent, SchemaTable } from '../../src/model/schema-table.ts';
import type { SchemaListener } from '../../src/repo/schema-store.ts';
import { createRegistry } from '../../src/service/registry.ts';

/** A registry without a disk. */
export function createMemoryRegistry(): {
  readonly registry: Registry;
  readonly table: SchemaTable;
  readonly append: (events: readonly SchemaEvent[]) => Promise<void>;
  readonly subscribe: (listener: SchemaListener) => () => void;
} {
  const table = new SchemaTable();
  const listeners = new Set<SchemaListener>();
  const append = async (events: readonly SchemaEvent[]): Promise<void> => {
    table.apply(events);
    await Promise.all(Array.from(listeners, (listener) => listener(events)));
  };
  const subscribe = (listener: SchemaListener): (() => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  return {
    registry: createRegistry({ table, append, compileJson: createRecordCheck, compileProtobuf: compileSchema }),
    table,
    append,
    subscribe,
  };
}
