/** A schema with those that it refers to, by the names of the references. */
export interface SchemaDocument {
  readonly root: unknown;
  readonly references: ReadonlyMap<string, unknown>;
  /** The root of the schema that a part with a `$ref` stands in, where that is another one than `root`. */
  readonly homes?: ReadonlyMap<object, unknown>;
}

export type Keywords = Readonly<Record<string, unknown>>;
export type Schema = boolean | Keywords;

export function listOf(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

export function toObject(value: unknown): Keywords {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** Keywords that say nothing about what is valid. */
const SAYS_NOTHING = new Set([
  ...['$schema', '$id', '$comment', '$anchor', '$defs', 'definitions', 'title', 'description'],
  ...['default', 'examples', 'deprecated', 'readOnly', 'writeOnly'],
]);

export function isAnything(schema: Schema): boolean {
  return schema === true || (schema !== false && Object.keys(schema).every((name) => SAYS_NOTHING.has(name)));
}

/** Keywords that mean something only together. */
const GROUPS = [
  ['properties', 'patternProperties', 'additionalProperties', 'unevaluatedProperties'],
  ['items', 'prefixItems', 'additionalItems', 'unevaluatedItems'],
  ['contains', 'minContains', 'maxContains'],
  ['if', 'then', 'else'],
  ['const', 'enum'],
];

/**
 * Schemas that take all that all parts take. Where parts have the same keyword, one of them stands for it: a result for each part
 * that comes first.
 */
export function conjunctionsOf(parts: readonly Keywords[]): Keywords[] {
  const results = parts.map((first) => mergeParts([first, ...parts.filter((part) => part !== first)]));
  return results[0]?.isWhole === true ? [results[0].merged] : results.map(({ merged }) => merged);
}

function mergeParts(parts: readonly Keywords[]): { readonly merged: Keywords; readonly isWhole: boolean } {
  const owners = new Map<string, Keywords>();
  const merged: Record<string, unknown> = {};
  let isWhole = true;
  for (const part of parts) {
    for (const [name, value] of Object.entries(part)) {
      if (SAYS_NOTHING.has(name)) continue;
      const group = GROUPS.find((names) => names.includes(name))?.[0] ?? name;
      const owner = owners.get(group) ?? part;
      owners.set(group, owner);
      if (owner === part) merged[name] = value;
      else isWhole = false;
    }
  }
  return { merged, isWhole };
}

/** Whether a name matches a pattern; undefined where that takes more than a look at its beginning. */
function isMatch(pattern: string, name: string): boolean | undefined {
  const literal = /^\^([\w-]+)(\$?)$/.exec(pattern);
  if (literal === null) return undefined;
  const [, text = '', end] = literal;
  return end === '$' ? name === text : name.startsWith(text);
}

const MAX_REFS = 20;

/** A schema behind its references, and what stands beside them; undefined when there is none. */
export function follow(
  part: unknown,
  document: SchemaDocument,
): { readonly schema: Schema; readonly beside: readonly Keywords[] } | undefined {
  const beside: Keywords[] = [];
  let at = part;
  let root = (typeof part === 'object' && part !== null ? document.homes?.get(part) : undefined) ?? document.root;
  for (let followed = 0; followed < MAX_REFS; followed++) {
    if (typeof at === 'boolean') return { schema: at, beside };
    if (typeof at !== 'object' || at === null || Array.isArray(at)) return undefined;
    const { $ref: ref, ...others } = toObject(at);
    if (typeof ref !== 'string') return { schema: toObject(at), beside };
    if (!isAnything(others)) beside.push(others);
    const [name = '', pointer = ''] = ref.split('#', 2);
    if (name !== '') root = document.references.get(name);
    at = pointTo(root, pointer);
  }
  return undefined;
}

/** RFC 6901. */
function pointTo(root: unknown, pointer: string): unknown {
  if (pointer === '') return root;
  if (!pointer.startsWith('/')) return undefined;
  let at = root;
  for (const part of pointer.slice(1).split('/')) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    at = typeof at === 'object' && at !== null && Object.hasOwn(at, name) ? Reflect.get(at, name) : undefined;
  }
  return at;
}

/** The items of an array: the first ones, each with its schema, and the rest. In all drafts. */
export function itemsOf(schema: Keywords): { readonly first: readonly unknown[]; readonly rest: unknown } {
  const first = listOf(schema.prefixItems);
  if (first !== undefined) return { first, rest: schema.items ?? true };
  const items = listOf(schema.items);
  return items === undefined
    ? { first: [], rest: schema.items ?? true }
    : { first: items, rest: schema.additionalItems ?? true };
}

/** The fields of an object: with names, by patterns, and the rest. */
interface Fields {
  readonly named: ReadonlyMap<string, unknown>;
  readonly patterns: ReadonlyMap<string, unknown>;
  readonly rest: unknown;
  /** All schemas that a field may have to meet. */
  all(name: string): readonly unknown[];
  /** What is known of a field: it meets each item of the list. An item is met when one of its schemas is. */
  sure(name: string): readonly (readonly unknown[])[];
}

export function fieldsOf(schema: Keywords): Fields {
  const named = new Map(Object.entries(toObject(schema.properties)));
  const patterns = new Map(Object.entries(toObject(schema.patternProperties)));
  const rest = schema.additionalProperties ?? true;
  const matching = (name: string, ...verdicts: readonly (boolean | undefined)[]) =>
    [...patterns].filter(([pattern]) => verdicts.includes(isMatch(pattern, name))).map(([, one]) => one);
  const own = (name: string) => (named.has(name) ? [named.get(name)] : []);
  return {
    named,
    patterns,
    rest,
    all(name) {
      const known = [...own(name), ...matching(name, true)];
      return [...known, ...matching(name, undefined), ...(known.length === 0 ? [rest] : [])];
    },
    sure(name) {
      const known = [...own(name), ...matching(name, true)];
      return known.length > 0 ? known.map((one) => [one]) : [[rest, ...matching(name, undefined)]];
    },
  };
}

/** Names of fields, each with what must be there beside it: a list of names or a schema. */
export function dependenciesOf(schema: Keywords): [string, unknown][] {
  const { dependencies, dependentRequired, dependentSchemas } = schema;
  return [dependencies, dependentRequired, dependentSchemas].flatMap((one) => Object.entries(toObject(one)));
}

/** RFC 6901. */
export function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
