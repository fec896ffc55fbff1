import type { RegisteredSchema, SchemaReference, SchemaType } from './schema.ts';
import type { CompatibilityLevel, RegistryMode, StoredVersion } from './schema-table.ts';

/** A schema that a client sends, to be registered, looked up or checked. */
export interface ProposedSchema {
  readonly type: SchemaType;
  readonly schema: string;
  readonly references: readonly SchemaReference[];
}

/** A version by its number, or the newest that is not deleted. */
export type VersionName = number | 'latest';
/** Whether softly deleted versions count: `only` means no others do. */
export type Deleted = 'no' | 'also' | 'only';

export interface RegisterCall {
  readonly subject: string;
  readonly proposed: ProposedSchema;
  /** Only in the mode IMPORT. */
  readonly id?: number;
  readonly version?: number;
}

/**
 * The schema registry. Every call may reject with a RegistryFault. A call that changes something resolves when the change is durable
 * and every thread that decodes knows it.
 */
export interface Registry {
  subjects(options: { readonly prefix: string; readonly deleted: Deleted }): Promise<string[]>;
  versions(options: { readonly subject: string; readonly deleted: Deleted }): Promise<number[]>;
  version(of: {
    readonly subject: string;
    readonly version: VersionName;
    readonly deleted: boolean;
  }): Promise<StoredVersion>;
  /** The newest versions, or all, of the subjects that begin with the prefix. */
  list(options: {
    readonly prefix: string;
    readonly deleted: boolean;
    readonly latestOnly: boolean;
  }): Promise<StoredVersion[]>;
  /** The schema with that id; with a subject, only where that subject has it. */
  schema(options: { readonly id: number; readonly subject?: string }): Promise<RegisteredSchema>;
  /** The versions that are this schema. */
  uses(options: { readonly id: number; readonly deleted: boolean }): Promise<StoredVersion[]>;
  /** Ids of the schemas that refer to a version. */
  referencedBy(of: { readonly subject: string; readonly version: VersionName }): Promise<number[]>;
  /**
   * The binary descriptor of a PROTOBUF schema: google.protobuf.FileDescriptorProto. With `imports` that of each file that it imports too,
   * itself last: google.protobuf.FileDescriptorSet.
   */
  descriptors(options: { readonly id: number; readonly imports: boolean }): Promise<Uint8Array>;
  register(call: RegisterCall): Promise<StoredVersion>;
  /** The version of a subject that is this schema. */
  lookUp(options: {
    readonly subject: string;
    readonly proposed: ProposedSchema;
    readonly deleted: boolean;
  }): Promise<StoredVersion>;
  /** Why the schema is not compatible with a version, or with those that the subject's level names (`all`); empty when it is. */
  check(options: {
    readonly subject: string;
    readonly version: VersionName | 'all';
    readonly proposed: ProposedSchema;
  }): Promise<string[]>;
  /** What is wrong with a value by the newest version of a subject of type JSON; undefined when it is valid. */
  validate(options: { readonly subject: string; readonly value: unknown }): Promise<string | undefined>;
  deleteVersion(of: {
    readonly subject: string;
    readonly version: VersionName;
    readonly permanent: boolean;
  }): Promise<number>;
  /** Gives the numbers of the versions that were deleted. */
  deleteSubject(of: { readonly subject: string; readonly permanent: boolean }): Promise<number[]>;
  /** Undefined where none is set. `orGlobal`: then the one for all others, or its default. `subject: null`: the one for all others. */
  level(options: {
    readonly subject: string | null;
    readonly orGlobal: boolean;
  }): Promise<CompatibilityLevel | undefined>;
  /** `null`: no longer set. */
  setLevel(options: { readonly subject: string | null; readonly level: CompatibilityLevel | null }): Promise<void>;
  mode(options: { readonly subject: string | null; readonly orGlobal: boolean }): Promise<RegistryMode | undefined>;
  setMode(options: {
    readonly subject: string | null;
    readonly mode: RegistryMode | null;
    readonly force: boolean;
  }): Promise<void>;
}

/** Why the registry refuses a call, with the code that the Confluent Schema Registry has for it. */
export const FAULT_CODES = {
  'incompatible-schema': 409,
  'subject-not-found': 40401,
  'version-not-found': 40402,
  'schema-not-found': 40403,
  'subject-soft-deleted': 40404,
  'subject-not-soft-deleted': 40405,
  'version-soft-deleted': 40406,
  'version-not-soft-deleted': 40407,
  'level-not-set': 40408,
  'mode-not-set': 40409,
  'invalid-schema': 42201,
  'invalid-version': 42202,
  'invalid-level': 42203,
  'invalid-mode': 42204,
  'not-permitted': 42205,
  'reference-exists': 42206,
  'invalid-subject': 42208,
  'store-failed': 50001,
} as const;
export type FaultKind = keyof typeof FAULT_CODES;

export class RegistryFault extends Error {
  override readonly name = 'RegistryFault';
  readonly kind: FaultKind;

  constructor(kind: FaultKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
