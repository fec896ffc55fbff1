import type { z } from 'zod';
import { PROBLEM_TYPE } from '../problem.ts';
import * as schemas from './api-schemas.ts';

/** One answer an operation can give. */
export interface AnswerDoc {
  readonly description: string;
  /** Headers it always has, beside those of every answer. */
  readonly headers?: readonly HeaderName[];
  /** By media type, without parameters; none for an answer without a body. */
  readonly content: Readonly<Record<string, z.ZodType>>;
  /** Of a stream of server-sent events: what each line of data is, by the name of the event. */
  readonly events?: Readonly<Record<string, z.ZodType>>;
}

/** One operation of the API, as the document tells it and as the contract test drives it. */
export interface OperationDoc {
  readonly path: string;
  readonly method: 'get' | 'post';
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly secured?: boolean;
  readonly parameters?: z.ZodObject;
  /** Names of request headers that mean something, and what. */
  readonly requestHeaders?: Readonly<Record<string, string>>;
  readonly requestBody?: Readonly<Record<string, { readonly schema: z.ZodType; readonly example: string }>>;
  readonly answers: Readonly<Record<number, AnswerDoc>>;
}

export const HEADERS = {
  'X-Request-Id': 'Names the request: as the client did, or else made.',
  'Logforge-Durability': 'Where the batch is safe: disk (synced), os (page cache), broker or spool.',
  'Retry-After': 'Seconds after which to try again.',
  'WWW-Authenticate': 'How to say who one is.',
} as const;
export type HeaderName = keyof typeof HEADERS;

/** An answer with problem details. */
export function problem(description: string, headers: readonly HeaderName[] = []): AnswerDoc {
  return { description, headers, content: { [PROBLEM_TYPE]: schemas.problem } };
}

export function json(description: string, schema: z.ZodType, headers: readonly HeaderName[] = []): AnswerDoc {
  return { description, headers, content: { 'application/json': schema } };
}
