// Long: one method for each call of the registry.

import {
  type Deleted,
  type ProposedSchema,
  type RegisterCall,
  type Registry,
  RegistryFault,
  type VersionName,
} from '../model/registry.ts';
import type { RegisteredSchema, SchemaType } from '../model/schema.ts';
import {
  type CompatibilityLevel,
  DEFAULT_LEVEL,
  DEFAULT_MODE,
  type SchemaEvent,
  type SchemaTable,
  type StoredVersion,
} from '../model/schema-table.ts';
import { avroKind } from './schemas/avro.ts';
import { type CompileJson, createJsonKind } from './schemas/json-schema.ts';
import { type CompileProtobuf, createProtobufKind, descriptorsOf } from './schemas/protobuf.ts';
import { LIMITS, type SchemaKind } from './schemas/schema-kind.ts';

/** Of one registry: what every thread that decodes keeps in memory. */
const MAX_VERSIONS = 50_000;
const MAX_TEXT_LENGTH = 64 * 1024 * 1024;
const MAX_NAMES = 50_000;
const SUBJECT = /^[^\p{Cc}]{1,255}$/u;

export interface RegistryOptions {
  readonly table: SchemaTable;
  /** Makes a change durable and known to every thread; one call at a time. Rejects when it cannot be stored. */
  readonly append: (events: readonly SchemaEvent[]) => Promise<void>;
  readonly compileJson: CompileJson;
  readonly compileProtobuf: CompileProtobuf;
  /** Why nothing may be changed; undefined where it may. */
  readonly readOnly?: string;
}

/** The use cases of the schema registry. They follow the Confluent Schema Registry; docs/registry.md names the differences. */
export function createRegistry(options: RegistryOptions): Registry {
  return new TableRegistry(options);
}

class TableRegistry implements Registry {
  readonly #table: SchemaTable;
  readonly #options: RegistryOptions;
  readonly #kinds: Readonly<Record<SchemaType, SchemaKind>>;
  /** What makes a schema the same as another. */
  readonly #identities = new WeakMap<RegisteredSchema, string>();
  /** The change that was asked for last. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: RegistryOptions) {
    this.#table = options.table;
    this.#options = options;
    const { compileJson, compileProtobuf } = options;
    this.#kinds = { AVRO: avroKind, JSON: createJsonKind(compileJson), PROTOBUF: createProtobufKind(compileProtobuf) };
  }

  async subjects({ prefix, deleted }: { readonly prefix: string; readonly deleted: Deleted }): Promise<string[]> {
    const names = this.#table.subjects().filter((name) => name.startsWith(prefix));
    return names.filter((name) => {
      const isDeleted = this.#table.newest(name) === undefined;
      return deleted === 'also' || isDeleted === (deleted === 'only');
    });
  }

  async versions({ subject, deleted }: { readonly subject: string; readonly deleted: Deleted }): Promise<number[]> {
    const found = this.#table
      .versions(subject)
      .filter((one) => deleted === 'also' || one.isDeleted === (deleted === 'only'));
    if (found.length === 0) throw subjectNotFound(subject);
    return found.map(({ version }) => version);
  }

  async version(of: { readonly subject: string; readonly version: VersionName; readonly deleted: boolean }) {
    return this.#find(of);
  }

  async list({
    prefix,
    deleted,
    latestOnly,
  }: {
    readonly prefix: string;
    readonly deleted: boolean;
    readonly latestOnly: boolean;
  }) {
    const names = this.#table.subjects().filter((name) => name.startsWith(prefix));
    return names.flatMap((name) => {
      const versions = this.#table.versions(name).filter(({ isDeleted }) => deleted || !isDeleted);
      return latestOnly ? versions.slice(-1) : versions;
    });
  }

  async schema({ id, subject }: { readonly id: number; readonly subject?: string }): Promise<RegisteredSchema> {
    const schema = this.#table.byId(id);
    const isThere = subject === undefined || this.#table.versions(subject).some((one) => one.schema.id === id);
    if (schema === undefined || !isThere) throw new RegistryFault('schema-not-found', `Schema ${id} not found`);
    return schema;
  }

  async uses({ id, deleted }: { readonly id: number; readonly deleted: boolean }): Promise<StoredVersion[]> {
    await this.schema({ id });
    return this.#all().filter((one) => one.schema.id === id && (deleted || !one.isDeleted));
  }

  async referencedBy(of: { readonly subject: string; readonly version: VersionName }): Promise<number[]> {
    const { version } = this.#find({ ...of, deleted: true });
    return this.#referencing(of.subject, [version]);
  }

  async descriptors({ id, imports }: { readonly id: number; readonly imports: boolean }): Promise<Uint8Array> {
    const schema = await this.schema({ id });
    if (schema.type !== 'PROTOBUF')
      throw new RegistryFault('schema-not-found', `Schema ${id} is not a PROTOBUF schema`);
    return descriptorsOf(this.#options.compileProtobuf(schema, this.#table), { imports });
  }

  async lookUp({
    subject,
    proposed,
    deleted,
  }: {
    readonly subject: string;
    readonly proposed: ProposedSchema;
    readonly deleted: boolean;
  }) {
    if (!this.#table.versions(subject).some((one) => deleted || !one.isDeleted)) throw subjectNotFound(subject);
    const found = this.#findSame(subject, this.#parse(proposed), deleted);
    if (found === undefined) throw new RegistryFault('schema-not-found', 'Schema not found');
    return found;
  }

  async check({
    subject,
    version,
    proposed,
  }: {
    readonly subject: string;
    readonly version: VersionName | 'all';
    readonly proposed: ProposedSchema;
  }) {
    const schema = this.#parse(proposed);
    const level = this.#levelOf(subject);
    if (version !== 'all') return this.#problems(schema, [this.#find({ subject, version, deleted: false })], level);
    if (this.#table.newest(subject) === undefined) throw subjectNotFound(subject);
    return this.#problems(schema, this.#versionsFor(subject, level), level);
  }

  async validate({
    subject,
    value,
  }: {
    readonly subject: string;
    readonly value: unknown;
  }): Promise<string | undefined> {
    const { schema } = this.#find({ subject, version: 'latest', deleted: false });
    if (schema.type !== 'JSON')
      throw new RegistryFault('invalid-schema', `the schema of ${subject} is not a JSON schema`);
    try {
      return this.#options.compileJson(schema, this.#table).faultOf(JSON.stringify(value))?.problem;
    } catch (error) {
      return messageOf(error);
    }
  }

  register(call: RegisterCall): Promise<StoredVersion> {
    const { subject, proposed } = call;
    return this.#change(async () => {
      checkSubject(subject);
      const mode = this.#checkMode(subject);
      if (mode === 'IMPORT') return this.#import(call);
      if (call.id !== undefined) throw new RegistryFault('not-permitted', `Subject ${subject} is not in import mode`);
      const schema = this.#parse(proposed);
      const known = this.#findSame(subject, schema, false);
      if (known !== undefined) return known;
      const version = this.#table.nextVersion(subject);
      if (call.version !== undefined && call.version > 0 && call.version !== version) {
        throw new RegistryFault('invalid-version', `the next version of ${subject} is ${version}, not ${call.version}`);
      }
      const level = this.#levelOf(subject);
      const problems = this.#problems(schema, this.#versionsFor(subject, level), level);
      if (problems.length > 0) throw incompatible(subject, problems, level);
      return this.#add(subject, version, { ...schema, id: this.#idOf(schema) ?? this.#table.nextId });
    });
  }

  deleteVersion({
    subject,
    version: name,
    permanent,
  }: {
    readonly subject: string;
    readonly version: VersionName;
    readonly permanent: boolean;
  }) {
    return this.#change(async () => {
      this.#checkMode(subject);
      const { version, isDeleted } = this.#find({ subject, version: name, deleted: true });
      const what = `Subject '${subject}' Version ${version}`;
      if (permanent && !isDeleted)
        throw new RegistryFault(
          'version-not-soft-deleted',
          `${what} was not deleted first before being permanently deleted`,
        );
      if (!permanent && isDeleted)
        throw new RegistryFault(
          'version-soft-deleted',
          `${what} was soft deleted. Set permanent=true to delete permanently`,
        );
      this.#checkReferences(subject, [version]);
      await this.#append([{ kind: permanent ? 'removed' : 'deleted', subject, version }]);
      return version;
    });
  }

  deleteSubject({ subject, permanent }: { readonly subject: string; readonly permanent: boolean }): Promise<number[]> {
    return this.#change(async () => {
      this.#checkMode(subject);
      const versions = this.#table.versions(subject);
      const isDeleted = this.#table.newest(subject) === undefined;
      if (versions.length === 0) throw subjectNotFound(subject);
      if (permanent && !isDeleted) {
        throw new RegistryFault(
          'subject-not-soft-deleted',
          `Subject '${subject}' was not deleted first before being permanently deleted`,
        );
      }
      if (!permanent && isDeleted) {
        throw new RegistryFault(
          'subject-soft-deleted',
          `Subject '${subject}' was soft deleted. Set permanent=true to delete permanently`,
        );
      }
      const numbers = versions.filter((one) => permanent || !one.isDeleted).map(({ version }) => version);
      this.#checkReferences(subject, numbers);
      const kind = permanent ? 'removed' : 'deleted';
      const settings: SchemaEvent[] = [
        { kind: 'level', subject, level: null },
        { kind: 'mode', subject, mode: null },
      ];
      await this.#append([
        ...numbers.map((version): SchemaEvent => ({ kind, subject, version })),
        ...(permanent ? settings : []),
      ]);
      return numbers;
    });
  }

  async level({ subject, orGlobal }: { readonly subject: string | null; readonly orGlobal: boolean }) {
    return this.#table.level(subject) ?? (orGlobal || subject === null ? this.#levelOf(null) : undefined);
  }

  setLevel({
    subject,
    level,
  }: {
    readonly subject: string | null;
    readonly level: CompatibilityLevel | null;
  }): Promise<void> {
    return this.#change(async () => {
      if (subject !== null) checkSubject(subject);
      this.#checkMode(subject);
      await this.#append([{ kind: 'level', subject, level }]);
    });
  }

  async mode({ subject, orGlobal }: { readonly subject: string | null; readonly orGlobal: boolean }) {
    return this.#table.mode(subject) ?? (orGlobal || subject === null ? this.#modeOf(null) : undefined);
  }

  setMode({ subject, mode, force }: Parameters<Registry['setMode']>[0]): Promise<void> {
    return this.#change(async () => {
      if (subject !== null) checkSubject(subject);
      this.#checkReadOnly();
      const found = subject === null ? this.#table.subjects().length : this.#table.versions(subject).length;
      if (mode === 'IMPORT' && found > 0 && !force) {
        throw new RegistryFault(
          'not-permitted',
          'Cannot import since found existing subjects; force=true sets the mode nevertheless',
        );
      }
      await this.#append([{ kind: 'mode', subject, mode }]);
    });
  }

  /** One change at a time: each is decided on what the one before it left. */
  #change<T>(decide: () => Promise<T>): Promise<T> {
    const result = this.#last.then(decide);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #append(events: readonly SchemaEvent[]): Promise<void> {
    try {
      await this.#options.append(events);
    } catch (error) {
      throw new RegistryFault('store-failed', messageOf(error), { cause: error });
    }
  }

  async #add(subject: string, version: number, schema: RegisteredSchema): Promise<StoredVersion> {
    const { size, bytes } = this.#table;
    if (
      size >= MAX_VERSIONS ||
      this.#table.names().length >= MAX_NAMES ||
      bytes + schema.schema.length > MAX_TEXT_LENGTH
    ) {
      throw new RegistryFault(
        'not-permitted',
        `the registry is full (limits: ${MAX_VERSIONS} versions, ${MAX_NAMES} subjects, ${MAX_TEXT_LENGTH / 2 ** 20} MiB of schemas)`,
      );
    }
    await this.#append([{ kind: 'version', subject, version, ...schema }]);
    return { subject, version, schema, isDeleted: false };
  }

  /** In the mode IMPORT the client gives the id, and nothing is compared. */
  async #import({ subject, proposed, id, version = -1 }: RegisterCall): Promise<StoredVersion> {
    if (id === undefined || id < 1)
      throw new RegistryFault('not-permitted', `Subject ${subject} is in import mode: an id is needed`);
    const schema = { ...this.#parse(proposed), id };
    const known = this.#table.byId(id);
    const number = version > 0 ? version : this.#table.nextVersion(subject);
    const there = this.#table.version(subject, number);
    const isOther = (one: RegisteredSchema | undefined) =>
      one !== undefined && this.#identity(one) !== this.#identity(schema);
    if (isOther(known) || isOther(there?.schema) || (there !== undefined && there.schema.id !== id)) {
      throw new RegistryFault('not-permitted', `Overwrite new schema with id ${id} is not permitted.`);
    }
    if (there === undefined && this.#table.isGone(subject, number, id)) {
      throw new RegistryFault(
        'not-permitted',
        `id ${id} or version ${number} of ${subject} was deleted for good; neither is given again`,
      );
    }
    return there ?? this.#add(subject, number, known ?? schema);
  }

  #parse({ type, schema: text, references }: ProposedSchema): RegisteredSchema {
    const schema: RegisteredSchema = { id: 0, type, schema: text, references };
    if (Buffer.byteLength(text) > LIMITS.textBytes) {
      throw new RegistryFault('invalid-schema', `Invalid schema: it is longer than ${LIMITS.textBytes} bytes`);
    }
    try {
      this.#kinds[type].parse(schema, this.#table);
    } catch (error) {
      throw new RegistryFault('invalid-schema', `Invalid schema: ${messageOf(error)}`, { cause: error });
    }
    return schema;
  }

  #find({
    subject,
    version,
    deleted,
  }: {
    readonly subject: string;
    readonly version: VersionName;
    readonly deleted: boolean;
  }): StoredVersion {
    const versions = this.#table.versions(subject).filter((one) => deleted || !one.isDeleted);
    if (versions.length === 0) throw subjectNotFound(subject);
    const found = version === 'latest' ? versions.at(-1) : versions.find((one) => one.version === version);
    if (found === undefined) throw new RegistryFault('version-not-found', `Version ${version} not found.`);
    return found;
  }

  #findSame(subject: string, schema: RegisteredSchema, deleted: boolean): StoredVersion | undefined {
    const identity = this.#identity(schema);
    return this.#table
      .versions(subject)
      .findLast((one) => (deleted || !one.isDeleted) && this.#identity(one.schema) === identity);
  }

  /** The id that the same schema has elsewhere. */
  #idOf(schema: RegisteredSchema): number | undefined {
    const identity = this.#identity(schema);
    for (const one of this.#table.schemas()) if (this.#identity(one) === identity) return one.id;
    return undefined;
  }

  #identity(schema: RegisteredSchema): string {
    const known = this.#identities.get(schema);
    if (known !== undefined) return known;
    const { type, schema: text, references } = schema;
    const names = references.map(({ name, subject, version }) => [name, subject, version]);
    const identity = JSON.stringify([type, this.#kinds[type].canonical(text), names]);
    this.#identities.set(schema, identity);
    return identity;
  }

  #versionsFor(subject: string, level: CompatibilityLevel): readonly StoredVersion[] {
    const versions = this.#table.versions(subject).filter(({ isDeleted }) => !isDeleted);
    return level.endsWith('_TRANSITIVE') ? versions : versions.slice(-1);
  }

  /** Why a schema does not agree with versions, newest first, as a level asks. */
  #problems(schema: RegisteredSchema, versions: readonly StoredVersion[], level: CompatibilityLevel): string[] {
    if (level === 'NONE') return [];
    for (const { version, schema: other } of versions.toReversed()) {
      if (other.type !== schema.type)
        return [`version ${version} is a schema of the type ${other.type}, not ${schema.type}`];
      const kind = this.#kinds[schema.type];
      const backward = level.startsWith('FORWARD') ? [] : kind.problems(schema, other, this.#table);
      const forward = level.startsWith('BACKWARD') ? [] : kind.problems(other, schema, this.#table);
      const told = [
        ...backward.map((problem) => `the new schema cannot read data of version ${version}: ${problem}`),
        ...forward.map((problem) => `version ${version} cannot read data of the new schema: ${problem}`),
      ];
      if (told.length > 0) return told;
    }
    return [];
  }

  #levelOf(subject: string | null): CompatibilityLevel {
    return this.#table.level(subject) ?? this.#table.level(null) ?? DEFAULT_LEVEL;
  }

  #modeOf(subject: string | null) {
    return this.#table.mode(subject) ?? this.#table.mode(null) ?? DEFAULT_MODE;
  }

  #checkMode(subject: string | null) {
    this.#checkReadOnly();
    const mode = this.#modeOf(subject);
    if (mode === 'READONLY') throw new RegistryFault('not-permitted', `Subject ${subject ?? ''} is in read-only mode`);
    return mode;
  }

  #checkReadOnly(): void {
    const { readOnly } = this.#options;
    if (readOnly !== undefined) throw new RegistryFault('not-permitted', readOnly);
  }

  #all(): StoredVersion[] {
    return this.#table.subjects().flatMap((name) => this.#table.versions(name));
  }

  #referencing(subject: string, versions: readonly number[]): number[] {
    const refers = ({ references }: RegisteredSchema) =>
      references.some((one) => one.subject === subject && versions.includes(one.version));
    return [
      ...new Set(
        this.#all()
          .filter(({ schema, isDeleted }) => !isDeleted && refers(schema))
          .map(({ schema }) => schema.id),
      ),
    ];
  }

  #checkReferences(subject: string, versions: readonly number[]): void {
    const ids = this.#referencing(subject, versions);
    if (ids.length > 0)
      throw new RegistryFault(
        'reference-exists',
        `One or more references exist to the schema of subject '${subject}': from the schemas ${ids.join(', ')}`,
      );
  }
}

function checkSubject(subject: string): void {
  if (!SUBJECT.test(subject) || subject === '__GLOBAL' || subject === '__EMPTY') {
    throw new RegistryFault('invalid-subject', `The specified subject '${subject}' is not a valid.`);
  }
}

function subjectNotFound(subject: string): RegistryFault {
  return new RegistryFault('subject-not-found', `Subject '${subject}' not found.`);
}

function incompatible(subject: string, problems: readonly string[], level: CompatibilityLevel): RegistryFault {
  const message = `Schema being registered is incompatible with an earlier schema for subject "${subject}", details: [${problems.join('; ')}; compatibility: ${level}]`;
  return new RegistryFault('incompatible-schema', message);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
