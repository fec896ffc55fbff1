import { z } from 'zod';
import { SCHEMA_TYPES } from '../../model/schema.ts';
import { COMPATIBILITY_LEVELS, REGISTRY_MODES } from '../../model/schema-table.ts';
import { component } from './api-schemas.ts';

/** The schemas of requests to the schema registry, and of its answers. */

const version = z.int().min(1);

const reference = component(
  'SchemaReference',
  z
    .object({ name: z.string(), subject: z.string(), version })
    .describe('Another registered schema that a schema names: by its import, its $ref, or its full name.'),
);

const text = {
  schemaType: z.enum(SCHEMA_TYPES).optional().describe('AVRO where it is absent.'),
  schema: z
    .string()
    .describe('The text of the schema.')
    .meta({ examples: ['"string"'] }),
  references: z.array(reference).optional(),
};

export const proposedSchema = component('ProposedSchema', z.object(text));
export const registeredSchema = component('RegisteredSchema', z.object(text));
export const subjectVersion = component(
  'SubjectVersion',
  z.object({ subject: z.string(), version, id: z.int().min(1), ...text }).describe('A version of a subject.'),
);
export const registered = z.object({ id: z.int().min(1), version });
export const usedBy = z.array(z.object({ subject: z.string(), version }));
export const compatibility = z.object({ is_compatible: z.boolean(), messages: z.array(z.string()).optional() });

export const levelRequest = z.object({ compatibility: z.enum(COMPATIBILITY_LEVELS) });
export const level = z.object({ compatibilityLevel: z.enum(COMPATIBILITY_LEVELS) });
export const mode = z.object({ mode: z.enum(REGISTRY_MODES) });

export const registryError = component(
  'RegistryError',
  z
    .object({
      error_code: z.int().min(400).describe('A code of the Confluent Schema Registry; the status is its beginning.'),
      message: z.string(),
    })
    .describe('An error, in the form that clients of the Confluent Schema Registry know.'),
);

export const schemaPair = component(
  'SchemaPair',
  z.object({ format: z.enum(['json', 'proto', 'avro']), name: z.string(), schema: z.string() }),
);
export const validation = z.object({ format: z.literal('json'), name: z.string(), data: z.unknown() });

const flag = (meaning: string) => z.enum(['true', 'false']).optional().describe(meaning);
const prefix = z.string().optional().describe('Only subjects that begin with it.');
const deleted = flag('Whether softly deleted versions count too. Default: false.');
const format = z.enum(['serialized']).optional().describe('Answers a PROTOBUF schema as its descriptor in base64.');
const deletedOnly = flag('Whether only softly deleted versions count. Default: false.');

export const listParameters = z.object({ subjectPrefix: prefix, deleted, deletedOnly });
export const schemasParameters = z.object({
  subjectPrefix: prefix,
  deleted,
  latestOnly: flag('Whether only the newest version of each subject is listed. Default: false.'),
});
export const deletedParameters = z.object({ deleted });
export const versionsParameters = z.object({ deleted, deletedOnly });
export const idParameters = z.object({
  subject: z.string().optional().describe('The subject that must have the schema.'),
  format,
});
export const versionParameters = z.object({ deleted, format });
export const permanentParameters = z.object({
  permanent: flag('Deletes for good what was deleted softly before. Default: false.'),
});
export const verboseParameters = z.object({ verbose: flag('Whether the answer says why. Default: false.') });
export const globalParameters = z.object({
  defaultToGlobal: flag('Whether the setting of all subjects is answered where the subject has none. Default: false.'),
});
export const forceParameters = z.object({ force: flag('Whether IMPORT may be set though there are schemas.') });
export const pairParameters = z.object({
  format: z.enum(['json', 'proto', 'avro']),
  name: z.string().meta({ examples: ['LogEntry'] }),
});
export const nameParameters = z.object({ name: z.string().meta({ examples: ['LogEntry'] }) });
