import type { RegisteredSchema, Schemas, SubjectVersion } from './schema.ts';

/** The log entry of the stream events, as a message of Protocol Buffers. */
const LOG_ENTRY_PROTOBUF = `syntax = "proto3";
package log;

message LogEntry {
  string timestamp = 1;
  string level = 2;
  string message = 3;
  string service = 4;
}
`;

/** The same as a record of Avro. */
const LOG_ENTRY_AVRO = JSON.stringify({
  type: 'record',
  name: 'LogEntry',
  fields: ['timestamp', 'level', 'message', 'service'].map((name) => ({ name, type: 'string' })),
});

/** A subject that there is until somebody registers a version of it. */
export interface BuiltinSubject {
  readonly subject: string;
  readonly schema: Pick<RegisteredSchema, 'type' | 'schema'>;
}

export const BUILTIN_SUBJECTS: readonly BuiltinSubject[] = [
  { subject: 'events-protobuf', schema: { type: 'PROTOBUF', schema: LOG_ENTRY_PROTOBUF } },
  { subject: 'events-avro', schema: { type: 'AVRO', schema: LOG_ENTRY_AVRO } },
];

const VERSIONS: readonly SubjectVersion[] = BUILTIN_SUBJECTS.map(({ subject, schema }, at) => ({
  subject,
  version: 1,
  schema: { id: at + 1, references: [], ...schema },
}));

/** The built-in subjects alone, where no registry is at hand. */
export const BUILTIN_SCHEMAS: Schemas = {
  byId: (id) => VERSIONS[id - 1]?.schema,
  newest: (subject) => VERSIONS.find((version) => version.subject === subject),
  version: (subject, version) => VERSIONS.find((one) => one.subject === subject && one.version === version),
};
