import type { z } from 'zod';
import { accessOf } from '../access.ts';
import { PROBLEM_TYPE } from '../problem.ts';
import * as schemas from './api-schemas.ts';

/** One possible answer of an operation. */
export interface AnswerDoc {
  readonly description: string;
  /** Headers that it always has, besides the headers of every answer. */
  readonly headers?: readonly HeaderName[];
  /** By media type, without parameters; empty for an answer without a body. */
  readonly content: Readonly<Record<string, z.ZodType>>;
  /** Of a stream of server-sent events: what each line of data is, by the name of the event. */
  readonly events?: Readonly<Record<string, z.ZodType>>;
}

/** One operation of the API, as the document describes it and the contract test drives it. */
export interface OperationDoc {
  /** `{subject}` stands for any; PATH_PARAMETERS says what. */
  readonly path: string;
  readonly method: 'get' | 'post' | 'put' | 'delete';
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: z.ZodObject;
  /** Meaning of request headers, by their names. */
  readonly requestHeaders?: Readonly<Record<string, string>>;
  readonly requestBody?: Readonly<Record<string, { readonly schema: z.ZodType; readonly example: string }>>;
  readonly answers: Readonly<Record<number, AnswerDoc>>;
}

export const HEADERS = {
  'X-Request-Id': 'The id of the request: from the client, or a new one.',
  'X-GUID': 'The id of the request as a UUID, for clients of the line store.',
  'Logforge-Durability': 'Where the batch is stored: disk (synced), os (page cache), broker or spool.',
  'Retry-After': 'Seconds to wait before the next try.',
  'WWW-Authenticate': 'How to send the API key.',
} as const;

/** What stands for a `{name}` in a path, and an example of it. */
export const PATH_PARAMETERS: Readonly<Record<string, { readonly description: string; readonly example: string }>> = {
  subject: { description: 'Name of the subject, percent-encoded.', example: 'orders' },
  version: { description: 'A number from 1, or latest.', example: '1' },
  id: { description: 'The id of a schema.', example: '1' },
};

/** The path with an example for each `{name}`. */
export function examplePath(path: string): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => PATH_PARAMETERS[name]?.example ?? name);
}
export type HeaderName = keyof typeof HEADERS;

/** An answer with problem details. */
export function problem(description: string, headers: readonly HeaderName[] = []): AnswerDoc {
  return { description, headers, content: { [PROBLEM_TYPE]: schemas.problem } };
}

/** The operation with the answers to a request without a key of its class. */
export function withAccess(operation: OperationDoc): OperationDoc {
  const access = accessOf({ method: operation.method.toUpperCase(), path: operation.path }, { metrics: true });
  if (access === undefined || access === 'open') return operation;
  const refusals: Readonly<Record<number, AnswerDoc>> = {
    401: problem('The API key is missing or not valid.', ['WWW-Authenticate']),
    403: problem('The API key has another class.'),
    429: problem('Too many requests with a wrong API key from this address.', ['Retry-After']),
  };
  return { ...operation, answers: { ...refusals, ...operation.answers } };
}

export function json(description: string, schema: z.ZodType, headers: readonly HeaderName[] = []): AnswerDoc {
  return { description, headers, content: { 'application/json': schema } };
}
