import { z } from 'zod';
import { json, type OperationDoc, problem } from './api-operation.ts';
import * as schemas from './registry-schemas.ts';

const text = z.string();
const noPair = problem('There is no such schema.');
const badPair = problem('The body is not a JSON object, or a format or name is missing.');

/** The routes that older programs expect. */
export const schemaPairOperations: readonly OperationDoc[] = [
  {
    path: '/schema/register',
    method: 'post',
    id: 'registerPair',
    summary: 'Register a schema by its format and name',
    description: '`LogEntry` is another name for the stream events.',
    requestBody: {
      'application/json': {
        schema: schemas.schemaPair,
        example: '{"format":"json","name":"LogEntry","schema":"{\\"type\\":\\"object\\"}"}',
      },
    },
    answers: {
      201: { description: 'Registered.', content: { 'text/plain': text } },
      400: badPair,
      409: problem('The schema is not compatible with an earlier version.'),
      422: problem('The schema does not compile.'),
      503: problem('The schema cannot be stored now.', ['Retry-After']),
    },
  },
  {
    path: '/schema/get',
    method: 'get',
    id: 'getPair',
    summary: 'The newest schema of a format and name',
    parameters: schemas.pairParameters,
    answers: { 200: json('The schema.', schemas.schemaPair), 400: problem('A parameter is invalid.'), 404: noPair },
  },
  {
    path: '/schema/list',
    method: 'get',
    id: 'getPairs',
    summary: 'The newest schema of each format and name',
    answers: { 200: json('The schemas.', z.array(schemas.schemaPair)) },
  },
  {
    path: '/schema/descriptor',
    method: 'get',
    id: 'getDescriptor',
    summary: 'A schema of Protocol Buffers as a google.protobuf.FileDescriptorSet',
    parameters: schemas.nameParameters,
    answers: {
      200: { description: 'The bytes of the set.', content: { 'application/octet-stream': text } },
      400: problem('The name is missing.'),
      404: noPair,
    },
  },
  {
    path: '/schema/validate',
    method: 'post',
    id: 'validateData',
    summary: 'Check data by a JSON Schema',
    requestBody: {
      'application/json': {
        schema: schemas.validation,
        example: '{"format":"json","name":"LogEntry","data":{"level":"INFO"}}',
      },
    },
    answers: {
      200: { description: 'The data are valid.', content: { 'text/plain': text } },
      400: problem('The data are not valid, or the body is not a JSON object.'),
      404: noPair,
      501: problem('Data of this format cannot be checked.'),
    },
  },
];
