import { z } from 'zod';
import { type Leaf, leaves, sections } from './leaves.ts';
import { nearest } from './nearest.ts';
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
  readonly entries: ReadonlyMap<string, Section | Key>;
}

export function isSection(entry: Section | Key): entry is Section {
  return 'entries' in entry;
}

function toEnvName(path: string): string {
  const words = path.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replaceAll('.', '_');
  return `LOGFORGE_${words.toUpperCase()}`;
}

function readSection(schema: z.ZodObject, path: string): Section {
  const entries = new Map<string, Section | Key>();
  for (const [name, child] of Object.entries(schema.shape)) {
    const childPath = path === '' ? name : `${path}.${name}`;
    if (child instanceof z.ZodObject) entries.set(name, readSection(child, childPath));
    else if (child instanceof z.ZodType) entries.set(name, readKey(child, childPath));
  }
  return { path, doc: sections.get(schema)?.doc ?? '', entries };
}

function readKey(schema: z.ZodType, path: string): Key {
  const leaf = leaves.get(schema);
  if (leaf === undefined) throw new Error(`cannot read schema key=${path}: not registered`);
  return { path, env: toEnvName(path), leaf, schema };
}

/** The schema as a tree. */
export const rootSection: Section = readSection(configSchema, '');

function* walk(section: Section): Generator<Key> {
  for (const entry of section.entries.values()) {
    if (isSection(entry)) yield* walk(entry);
    else yield entry;
  }
}

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
