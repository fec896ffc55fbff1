import { z } from 'zod';
import { REGISTRY_TYPE } from '../registry/answers.ts';
import type { AnswerDoc, OperationDoc } from './api-operation.ts';
import { schemaPairOperations } from './api-schema-pairs.ts';
import * as schemas from './registry-schemas.ts';

const ok = (schema: z.ZodType): AnswerDoc => ({ description: 'Done.', content: { [REGISTRY_TYPE]: schema } });
const fault = (description: string): AnswerDoc => ({
  description,
  content: { [REGISTRY_TYPE]: schemas.registryError },
});

const notFound = { 404: fault('There is no such subject, version or id.') };
const badVersion = { 422: fault('The version is neither a number nor latest.') };
const notCompatible = { 409: fault('The schema is not compatible with an earlier version.') };
const badSchema = { 422: fault('The schema does not compile, or the subject is read-only.') };
const unavailable = {
  503: { ...fault('The change cannot be stored now (code 50001).'), headers: ['Retry-After'] as const },
};

const BODIES = 'A body that is not JSON is answered 400, one larger than 4 MiB 413, another content type 415.';
const proposed: OperationDoc['requestBody'] = {
  [REGISTRY_TYPE]: { schema: schemas.proposedSchema, example: '{"schemaType":"AVRO","schema":"\\"string\\""}' },
};

const subjects: readonly OperationDoc[] = [
  {
    path: '/registry/subjects',
    method: 'get',
    id: 'getSubjects',
    summary: 'The subjects of the schema registry',
    parameters: schemas.listParameters,
    answers: { 200: ok(z.array(z.string())) },
  },
  {
    path: '/registry/subjects/{subject}',
    method: 'post',
    id: 'lookUpSchema',
    summary: 'The version of a subject that is this schema',
    description: BODIES,
    parameters: schemas.deletedParameters,
    requestBody: proposed,
    answers: { 200: ok(schemas.subjectVersion), ...notFound, ...badSchema },
  },
  {
    path: '/registry/subjects/{subject}',
    method: 'delete',
    id: 'deleteSubject',
    summary: 'Delete all versions of a subject',
    description: 'Answers their numbers. The subject must not be referred to by another schema.',
    parameters: schemas.permanentParameters,
    answers: { 200: ok(z.array(z.int())), ...notFound, ...unavailable },
  },
  {
    path: '/registry/subjects/{subject}/versions',
    method: 'get',
    id: 'getVersions',
    summary: 'The versions of a subject',
    parameters: schemas.versionsParameters,
    answers: { 200: ok(z.array(z.int())), ...notFound },
  },
  {
    path: '/registry/subjects/{subject}/versions',
    method: 'post',
    id: 'registerSchema',
    summary: 'Register a schema as the next version of a subject',
    description: `Answered when it is durable and in force. A schema that the subject has already keeps its version. ${BODIES}`,
    requestBody: proposed,
    answers: { 200: ok(schemas.registered), ...notCompatible, ...badSchema, ...unavailable },
  },
  {
    path: '/registry/subjects/{subject}/versions/{version}',
    method: 'get',
    id: 'getVersionOfSubject',
    summary: 'A version of a subject',
    parameters: schemas.versionParameters,
    answers: { 200: ok(schemas.subjectVersion), ...notFound, ...badVersion },
  },
  {
    path: '/registry/subjects/{subject}/versions/{version}',
    method: 'delete',
    id: 'deleteVersion',
    summary: 'Delete a version of a subject',
    parameters: schemas.permanentParameters,
    answers: { 200: ok(z.int()), ...notFound, ...badVersion, ...unavailable },
  },
  {
    path: '/registry/subjects/{subject}/versions/{version}/schema',
    method: 'get',
    id: 'getSchemaOfVersion',
    summary: 'The text of the schema of a version',
    parameters: schemas.deletedParameters,
    answers: { 200: ok(z.unknown()), ...notFound, ...badVersion },
  },
  {
    path: '/registry/subjects/{subject}/versions/{version}/referencedby',
    method: 'get',
    id: 'getReferencedBy',
    summary: 'Ids of the schemas that refer to a version',
    answers: { 200: ok(z.array(z.int())), ...notFound, ...badVersion },
  },
];

const ids: readonly OperationDoc[] = [
  {
    path: '/registry/schemas',
    method: 'get',
    id: 'getSchemas',
    summary: 'All versions of all subjects',
    parameters: schemas.schemasParameters,
    answers: { 200: ok(z.array(schemas.subjectVersion)) },
  },
  {
    path: '/registry/schemas/types',
    method: 'get',
    id: 'getSchemaTypes',
    summary: 'The types of schemas',
    answers: { 200: ok(z.array(z.string())) },
  },
  {
    path: '/registry/schemas/ids/{id}',
    method: 'get',
    id: 'getSchemaById',
    summary: 'The schema with an id',
    parameters: schemas.idParameters,
    answers: { 200: ok(schemas.registeredSchema), ...notFound },
  },
  {
    path: '/registry/schemas/ids/{id}/schema',
    method: 'get',
    id: 'getTextById',
    summary: 'The text of the schema with an id',
    answers: { 200: ok(z.unknown()), ...notFound },
  },
  {
    path: '/registry/schemas/ids/{id}/subjects',
    method: 'get',
    id: 'getSubjectsOfId',
    summary: 'The subjects that have the schema with an id',
    parameters: schemas.deletedParameters,
    answers: { 200: ok(z.array(z.string())), ...notFound },
  },
  {
    path: '/registry/schemas/ids/{id}/versions',
    method: 'get',
    id: 'getVersionsOfId',
    summary: 'The versions that are the schema with an id',
    parameters: schemas.deletedParameters,
    answers: { 200: ok(schemas.usedBy), ...notFound },
  },
];

const checks: readonly OperationDoc[] = [
  {
    path: '/registry/compatibility/subjects/{subject}/versions',
    method: 'post',
    id: 'checkCompatibility',
    summary: 'Whether a schema is compatible with the versions that the level of the subject names',
    description: BODIES,
    parameters: schemas.verboseParameters,
    requestBody: proposed,
    answers: { 200: ok(schemas.compatibility), ...badSchema },
  },
  {
    path: '/registry/compatibility/subjects/{subject}/versions/{version}',
    method: 'post',
    id: 'checkCompatibilityWithVersion',
    summary: 'Whether a schema is compatible with a version',
    description: BODIES,
    parameters: schemas.verboseParameters,
    requestBody: proposed,
    answers: { 200: ok(schemas.compatibility), ...notFound, ...badSchema },
  },
];

/** GET, PUT and DELETE of a setting, for all subjects and for one. */
function setting(about: {
  readonly path: string;
  readonly id: string;
  readonly what: string;
  readonly schema: z.ZodType;
  readonly request: z.ZodType;
  readonly example: string;
  readonly forced?: z.ZodObject;
}): readonly OperationDoc[] {
  const { path, id, what, schema, request, example, forced } = about;
  const unset = { 404: fault('None is set for the subject.') };
  return ['', '/{subject}'].flatMap((subject): OperationDoc[] => {
    const isOne = subject !== '';
    const [of, name] = isOne ? ['of a subject', `${id}OfSubject`] : ['of all other subjects', id];
    const common = { path: `${path}${subject}` };
    return [
      {
        ...common,
        method: 'get',
        id: `get${name}`,
        summary: `The ${what} ${of}`,
        ...(isOne && { parameters: schemas.globalParameters }),
        answers: { 200: ok(schema), ...(isOne && unset) },
      },
      {
        ...common,
        method: 'put',
        id: `put${name}`,
        summary: `Set the ${what} ${of}`,
        description: BODIES,
        ...(forced !== undefined && { parameters: forced }),
        requestBody: { [REGISTRY_TYPE]: { schema: request, example } },
        answers: { 200: ok(request), 422: fault(`There is no such ${what}.`), ...unavailable },
      },
      {
        ...common,
        method: 'delete',
        id: `delete${name}`,
        summary: `Forget the ${what} ${of}, and answer what it was`,
        answers: { 200: ok(schema), ...(isOne && unset), ...unavailable },
      },
    ];
  });
}

const settings: readonly OperationDoc[] = [
  ...setting({
    path: '/registry/config',
    id: 'Level',
    what: 'compatibility level',
    schema: schemas.level,
    request: schemas.levelRequest,
    example: '{"compatibility":"FULL"}',
  }),
  ...setting({
    path: '/registry/mode',
    id: 'Mode',
    what: 'mode',
    schema: schemas.mode,
    request: schemas.mode,
    example: '{"mode":"READONLY"}',
    forced: schemas.forceParameters,
  }),
  {
    path: '/registry/contexts',
    method: 'get',
    id: 'getContexts',
    summary: 'The contexts: there is one',
    answers: { 200: ok(z.array(z.string())) },
  },
];

/** The schema registry. */
export const registryOperations: readonly OperationDoc[] = [
  ...subjects,
  ...ids,
  ...checks,
  ...settings,
  ...schemaPairOperations,
];
