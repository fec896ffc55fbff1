import type { AvroType } from './schema.ts';

const LEAST: Readonly<Record<string, number>> = { null: 0, float: 4, double: 8 };

const known = new WeakMap<AvroType, number>();

/** The fewest bytes that a value of the type takes. A type of no bytes at all always takes none. */
export function leastBytes(type: AvroType): number {
  const least = known.get(type);
  if (least !== undefined) return least;
  // A record that directly contains itself has no value; this ends the search.
  known.set(type, 0);
  const found = count(type);
  known.set(type, found);
  return found;
}

function count(type: AvroType): number {
  if (type.kind === 'fixed') return type.size;
  if (type.kind === 'record') return type.fields.reduce((sum, field) => sum + leastBytes(field.type), 0);
  return LEAST[type.kind] ?? 1;
}
