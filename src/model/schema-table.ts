import type { RegisteredSchema, Schemas, SubjectVersion } from './schema.ts';

/** Which versions of a subject a new one must agree with, and in which direction. Names of the Confluent Schema Registry. */
export const COMPATIBILITY_LEVELS = [
  'NONE',
  'BACKWARD',
  'BACKWARD_TRANSITIVE',
  'FORWARD',
  'FORWARD_TRANSITIVE',
  'FULL',
  'FULL_TRANSITIVE',
] as const;
export type CompatibilityLevel = (typeof COMPATIBILITY_LEVELS)[number];
export const DEFAULT_LEVEL: CompatibilityLevel = 'BACKWARD';

/** What may be changed. IMPORT: the client chooses ids and versions, and nothing is checked. */
export const REGISTRY_MODES = ['READWRITE', 'READONLY', 'IMPORT'] as const;
export type RegistryMode = (typeof REGISTRY_MODES)[number];
export const DEFAULT_MODE: RegistryMode = 'READWRITE';

/**
 * A change of what is registered, as it is kept on disk and sent to other threads. To apply one a second time changes nothing.
 * `subject: null`: for all subjects without a setting of their own. `level: null`, `mode: null`: no longer set.
 */
export type SchemaEvent =
  | ({ readonly kind: 'version'; readonly subject: string; readonly version: number } & RegisteredSchema)
  /** Deleted softly: it is not listed, and its id can still be read. */
  | { readonly kind: 'deleted'; readonly subject: string; readonly version: number }
  /** Deleted for good. Its number is not given again. */
  | { readonly kind: 'removed'; readonly subject: string; readonly version: number }
  /** The subject's numbers up to this one are given, whatever became of them. `null`: those of any subject. */
  | { readonly kind: 'used'; readonly subject: string | null; readonly version: number }
  /** These ids, and these numbers of a subject, belonged to schemas that were deleted for good. */
  | { readonly kind: 'gone-ids'; readonly ids: readonly number[] }
  | { readonly kind: 'gone'; readonly subject: string; readonly versions: readonly number[] }
  /** The ids up to this one are given. */
  | { readonly kind: 'used-ids'; readonly id: number }
  | { readonly kind: 'level'; readonly subject: string | null; readonly level: CompatibilityLevel | null }
  | { readonly kind: 'mode'; readonly subject: string | null; readonly mode: RegistryMode | null };

/** A version, and whether it is deleted softly. */
export interface StoredVersion extends SubjectVersion {
  readonly isDeleted: boolean;
}

interface Subject {
  /** By number, ascending. */
  versions: readonly StoredVersion[];
  /** The highest number that was ever given. */
  last: number;
  /** Numbers of versions that were deleted for good. */
  gone: ReadonlySet<number>;
}

/** What is registered, in memory: the sum of all events. Every thread that decodes has one. */
export class SchemaTable implements Schemas {
  readonly #byId = new Map<number, RegisteredSchema>();
  readonly #subjects = new Map<string, Subject>();
  readonly #levels = new Map<string | null, CompatibilityLevel>();
  readonly #modes = new Map<string | null, RegistryMode>();
  readonly #goneIds = new Set<number>();
  #lastId = 0;
  #floor = 0;
  #bytes = 0;
  #versions = 0;

  get nextId(): number {
    return this.#lastId + 1;
  }

  /** Bytes of text of all schemas, in UTF-16 units. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many versions there are, softly deleted ones included. */
  get size(): number {
    return this.#versions;
  }

  byId(id: number): RegisteredSchema | undefined {
    return this.#byId.get(id);
  }

  newest(subject: string): StoredVersion | undefined {
    return this.#subjects.get(subject)?.versions.findLast(({ isDeleted }) => !isDeleted);
  }

  version(subject: string, version: number): StoredVersion | undefined {
    return this.versions(subject).find((one) => one.version === version);
  }

  /** All versions of a subject, softly deleted ones included, oldest first. */
  versions(subject: string): readonly StoredVersion[] {
    return this.#subjects.get(subject)?.versions ?? [];
  }

  /** All subjects with a version, softly deleted ones included, by name. */
  subjects(): string[] {
    return [...this.#subjects].flatMap(([name, { versions }]) => (versions.length > 0 ? [name] : [])).sort();
  }

  /** All names of subjects that were ever used. */
  names(): string[] {
    return [...this.#subjects.keys()];
  }

  /** What `used` says of any subject. */
  get floor(): number {
    return this.#floor;
  }

  schemas(): Iterable<RegisteredSchema> {
    return this.#byId.values();
  }

  nextVersion(subject: string): number {
    return Math.max(this.#subjects.get(subject)?.last ?? 0, this.#floor) + 1;
  }

  /** Whether the number of the subject, or the id, belonged to a version or a schema that was deleted for good. */
  isGone(subject: string, version: number, id: number): boolean {
    return this.#goneIds.has(id) || this.#subjects.get(subject)?.gone.has(version) === true;
  }

  /** The level that is set for a subject, or for all others. */
  level(subject: string | null): CompatibilityLevel | undefined {
    return this.#levels.get(subject);
  }

  mode(subject: string | null): RegistryMode | undefined {
    return this.#modes.get(subject);
  }

  apply(events: readonly SchemaEvent[]): void {
    for (const event of events) this.#applyOne(event);
  }

  /** Events that make a new table equal to this one. */
  *events(): Generator<SchemaEvent> {
    yield { kind: 'used-ids', id: this.#lastId };
    yield { kind: 'used', subject: null, version: this.#floor };
    yield { kind: 'gone-ids', ids: [...this.#goneIds] };
    for (const [subject, level] of this.#levels) yield { kind: 'level', subject, level };
    for (const [subject, mode] of this.#modes) yield { kind: 'mode', subject, mode };
    for (const [subject, { versions, last, gone }] of this.#subjects) {
      yield { kind: 'used', subject, version: last };
      if (gone.size > 0) yield { kind: 'gone', subject, versions: [...gone] };
      for (const { version, schema, isDeleted } of versions) {
        yield { kind: 'version', subject, version, ...schema };
        if (isDeleted) yield { kind: 'deleted', subject, version };
      }
    }
  }

  #applyOne(event: SchemaEvent): void {
    switch (event.kind) {
      case 'version':
        this.#add(event);
        break;
      case 'deleted':
        this.#replace(event.subject, (one) => (one.version === event.version ? { ...one, isDeleted: true } : one));
        break;
      case 'removed':
        this.#remove(event);
        break;
      case 'used':
        if (event.subject === null) this.#floor = Math.max(this.#floor, event.version);
        else this.#use(event.subject, event.version);
        break;
      case 'gone-ids':
        for (const id of event.ids) this.#goneIds.add(id);
        break;
      case 'gone': {
        const subject = this.#use(event.subject, 0);
        subject.gone = new Set([...subject.gone, ...event.versions]);
        break;
      }
      case 'used-ids':
        this.#lastId = Math.max(this.#lastId, event.id);
        break;
      case 'level':
        set(this.#levels, event.subject, event.level);
        break;
      case 'mode':
        set(this.#modes, event.subject, event.mode);
        break;
    }
  }

  #use(name: string, version: number): Subject {
    const subject = this.#subjects.get(name) ?? { versions: [], last: 0, gone: new Set<number>() };
    this.#subjects.set(name, subject);
    subject.last = Math.max(subject.last, version);
    return subject;
  }

  #add({ subject: name, version, id, type, schema: text, references }: SchemaEvent & { kind: 'version' }): void {
    this.#lastId = Math.max(this.#lastId, id);
    const subject = this.#use(name, version);
    if (subject.versions.some((one) => one.version === version)) return;
    let schema = this.#byId.get(id);
    if (schema === undefined) {
      schema = { id, type, schema: text, references };
      this.#byId.set(id, schema);
      this.#bytes += text.length;
    }
    this.#versions++;
    const added = { subject: name, version, schema, isDeleted: false };
    const at = subject.versions.findIndex((one) => one.version > version);
    subject.versions = subject.versions.toSpliced(at === -1 ? subject.versions.length : at, 0, added);
  }

  #replace(name: string, change: (one: StoredVersion) => StoredVersion): void {
    const subject = this.#subjects.get(name);
    if (subject !== undefined) subject.versions = subject.versions.map(change);
  }

  #remove({ subject: name, version }: { readonly subject: string; readonly version: number }): void {
    const subject = this.#subjects.get(name);
    const removed = subject?.versions.find((one) => one.version === version);
    if (subject === undefined || removed === undefined) return;
    subject.versions = subject.versions.filter((one) => one !== removed);
    subject.gone = new Set([...subject.gone, version]);
    this.#versions--;
    const { id, schema } = removed.schema;
    const isUsed = [...this.#subjects.values()].some(({ versions }) => versions.some((one) => one.schema.id === id));
    if (isUsed) return;
    this.#byId.delete(id);
    this.#goneIds.add(id);
    this.#bytes -= schema.length;
  }
}

function set<T>(settings: Map<string | null, T>, subject: string | null, value: T | null): void {
  if (value === null) settings.delete(subject);
  else settings.set(subject, value);
}
