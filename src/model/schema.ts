/** The kinds of schemas, by the names that the Confluent Schema Registry has for them. */
export const SCHEMA_TYPES = ['AVRO', 'JSON', 'PROTOBUF'] as const;
export type SchemaType = (typeof SCHEMA_TYPES)[number];

/** Another schema that a schema names: in PROTOBUF by its import, in JSON by its $ref, in AVRO by its full name. */
export interface SchemaReference {
  readonly name: string;
  readonly subject: string;
  readonly version: number;
}

/** A schema as it was registered. It never changes, and its id is never given to another. */
export interface RegisteredSchema {
  /** From 1. */
  readonly id: number;
  readonly type: SchemaType;
  /** The text of the schema. */
  readonly schema: string;
  readonly references: readonly SchemaReference[];
}

/** One version of a subject. */
export interface SubjectVersion {
  readonly subject: string;
  /** From 1, without gaps when it was registered. */
  readonly version: number;
  readonly schema: RegisteredSchema;
}

/** What decoders ask of the registry. Answers at once: each thread has its own copy of what is registered. */
export interface Schemas {
  byId(id: number): RegisteredSchema | undefined;
  /** The newest version of a subject that is not deleted. */
  newest(subject: string): SubjectVersion | undefined;
  /** That version of a subject, deleted or not: references go on to name it. */
  version(subject: string, version: number): SubjectVersion | undefined;
}
