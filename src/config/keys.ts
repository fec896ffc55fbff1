import { z } from 'zod';
import { nearest } from '../model/nearest.ts';
import { type Leaf, leaves, sections } from './leaves.ts';
import { configSchema } from './schema.ts';

/** One key of the configuration. */
export interface Key {
  /** `server.maxBodyBytes` */
  readonly path: string;
  /** `LOGFORGE_SERVER_MAX_BODY_BYTES` */
  readonly env: string;
  readonly leaf: Leaf;
  readonly schema: z.ZodType;
}

/** A section and what is in it, by name, in the order of the schema. */
export interface Section {
  readonly path: string;
  readonly doc: string;
  readonly entries: ReadonlyMap<string, Entry>;
}

export type Entry = Section | Key | ObjectList;

/** A list of objects. */
export interface ObjectList {
  /** `streams` */
  readonly path: string;
  /** The keys of any of them: `streams[].name`. */
  readonly item: Section;
  /** The keys of one of them: `streams[2].name`. */
  at(index: number): Section;
}

export function isSection(entry: Entry): entry is Section {
  return 'entries' in entry;
}

export function isList(entry: Entry): entry is ObjectList {
  return 'item' in entry;
}

function toEnvName(path: string): string {
  const words = path.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replaceAll('.', '_');
  return `LOGFORGE_${words.toUpperCase()}`;
}

function readSection(schema: z.ZodObject, path: string): Section {
  const entries = new Map<string, Entry>();
  for (const [name, child] of Object.entries(schema.shape)) {
    const childPath = path === '' ? name : `${path}.${name}`;
    if (child instanceof z.ZodObject) entries.set(name, readSection(child, childPath));
    else if (isListSchema(child)) entries.set(name, readObjects(child, childPath));
    else if (child instanceof z.ZodType) entries.set(name, readKey(child, childPath));
  }
  return { path, doc: sections.get(schema)?.doc ?? '', entries };
}

function isListSchema(schema: unknown): schema is z.ZodPrefault<z.ZodArray<z.ZodObject>> {
  return (
    schema instanceof z.ZodPrefault &&
    schema.unwrap() instanceof z.ZodArray &&
    (schema.unwrap() as z.ZodArray).element instanceof z.ZodObject
  );
}

function readObjects(schema: z.ZodPrefault<z.ZodArray<z.ZodObject>>, path: string): ObjectList {
  const at = (index: number | ''): Section => readSection(schema.unwrap().element, `${path}[${index}]`);
  return { path, item: at(''), at };
}

function readKey(schema: z.ZodType, path: string): Key {
  const leaf = leaves.get(schema);
  if (leaf === undefined) throw new Error(`cannot read schema key=${path}: not registered`);
  return { path, env: toEnvName(path), leaf, schema };
}

/** The schema as a tree. */
export const rootSection: Section = readSection(configSchema, '');

/** Every key of the section, those of lists left out. */
export function* walk(section: Section): Generator<Key> {
  for (const entry of section.entries.values()) {
    if (isSection(entry)) yield* walk(entry);
    else if (!isList(entry)) yield entry;
  }
}

/** The lists of objects in the section, those of its sections too. */
function* walkLists(section: Section): Generator<ObjectList> {
  for (const entry of section.entries.values()) {
    if (isSection(entry)) yield* walkLists(entry);
    else if (isList(entry)) yield entry;
  }
}

/** The lists of objects, by their paths. */
export const listsByPath: ReadonlyMap<string, ObjectList> = new Map(
  [...walkLists(rootSection)].map((list) => [list.path, list]),
);

/** Every key by its path, in the order of the schema. */
export const keysByPath: ReadonlyMap<string, Key> = new Map([...walk(rootSection)].map((key) => [key.path, key]));

/** `unknown key, did you mean maxBodyBytes?`: a sibling first, then the same name in another section. */
export function describeUnknownKey(name: string, section: Section): string {
  const meant = nearest(name, section.entries.keys()) ?? findElsewhere(name);
  if (meant !== undefined) return `unknown key, did you mean ${meant}?`;
  const known = [...section.entries.keys()].join(', ');
  return `unknown key, ${section.path === '' ? 'the file' : section.path} may have ${known}`;
}

function findElsewhere(name: string): string | undefined {
  for (const path of keysByPath.keys()) if (path.endsWith(`.${name}`)) return path;
  return undefined;
}
