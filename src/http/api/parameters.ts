import type { z } from 'zod';
import type { Hour } from '../../model/hour.ts';
import { MAX_RANGE_HOURS } from '../docs/api-schemas.ts';

/** The parameters of a query as hono reads them. */
export type Query = Readonly<Record<string, readonly string[]>>;

/** Reads the parameters of a schema, or returns what is wrong with them. Ignores parameters of other names. */
export function readParameters<S extends z.ZodObject>(schema: S, query: Query): z.infer<S> | string {
  const given: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const values = Object.hasOwn(query, name) ? (query[name] ?? []) : [];
    if (values.length > 1) return `the parameter ${name} is given ${values.length} times`;
    if (values[0] !== undefined) given[name] = values[0];
  }
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return `the parameter ${issue?.path.join('.')} ${issue?.message}`;
}

/** What is wrong with the hours in [from, to), or undefined. */
export function rangeFault(from: Hour, to: Hour): string | undefined {
  if (to <= from) return 'to must be later than from';
  if (to - from > MAX_RANGE_HOURS) return `from and to must be at most ${MAX_RANGE_HOURS} hours (31 days) apart`;
  return undefined;
}
