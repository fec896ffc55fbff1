import { z } from 'zod';
import { accessOf, type KeyedClass } from '../access.ts';
import type { HttpAuth } from '../auth.ts';
import { type AnswerDoc, HEADERS, type HeaderName, type OperationDoc, PATH_PARAMETERS } from './api-operation.ts';
import { components } from './api-schemas.ts';
import { OPERATIONS } from './operations.ts';

export type Json = Readonly<Record<string, unknown>>;

/** The part of the document's shape that this folder reads. */
export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: Json & { readonly title: string; readonly version: string; readonly summary: string };
  readonly servers: readonly Json[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
  readonly components: Json & { readonly schemas: Readonly<Record<string, Json>> };
}

export interface OperationObject {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly security?: readonly Json[];
  /** An extension of logforge: the class that the API key must have. */
  readonly 'x-key-class'?: KeyedClass;
  readonly parameters?: readonly ParameterObject[];
  readonly requestBody?: { readonly required: true; readonly content: Content };
  readonly responses: Readonly<Record<string, ResponseObject>>;
}

export interface ParameterObject {
  readonly name: string;
  readonly in: 'query' | 'header' | 'path';
  readonly required: boolean;
  readonly description: string;
  readonly schema: Json;
  readonly example?: string;
}

export interface ResponseObject {
  readonly description: string;
  readonly headers: Json;
  readonly content: Content;
}

type Content = Readonly<Record<string, MediaType>>;

export interface MediaType {
  readonly schema: Json;
  readonly example?: unknown;
  /** An extension of logforge: the schema of each line of data, by the name of the server-sent event. */
  readonly 'x-events'?: Readonly<Record<string, Json>>;
}

/** The API as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1). */
export function openApiDocument(options: {
  readonly version: string;
  readonly auth: Pick<HttpAuth, 'enabled' | 'headerName' | 'metrics'>;
}): OpenApiDocument {
  const { version, auth } = options;
  const paths: Record<string, Record<string, OperationObject>> = {};
  for (const operation of OPERATIONS) {
    paths[operation.path] = {
      ...paths[operation.path],
      [operation.method]: describeOperation(operation, auth),
    };
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'logforge',
      version,
      summary: 'Stores batches of access records in synced hourly files, with summaries.',
      description:
        'Every error is answered with problem details (RFC 9457), on /registry with the codes of the Confluent Schema Registry. On every route, an unknown path is answered 404, a method that ' +
        'is not listed 405, a request that cannot be read 400, headers that arrive too slowly 408, headers that are too large 431.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: componentSchemas(),
      headers: mapValues(HEADERS, (description) => ({ description, schema: { type: 'string' } })),
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: auth.headerName },
        bearer: { type: 'http', scheme: 'bearer' },
      },
    },
  };
}

function describeOperation(operation: OperationDoc, auth: Pick<HttpAuth, 'enabled' | 'metrics'>): OperationObject {
  const { id, summary, description, parameters, requestHeaders, requestBody, answers } = operation;
  const access = accessOf({ method: operation.method.toUpperCase(), path: operation.path }, auth) ?? 'open';
  const described = [
    ...pathParameters(operation.path),
    ...queryParameters(parameters),
    ...headerParameters(requestHeaders),
  ];
  return {
    operationId: id,
    summary,
    ...(description === undefined ? {} : { description }),
    ...(access !== 'open' && auth.enabled ? { security: [{ apiKey: [] }, { bearer: [] }], 'x-key-class': access } : {}),
    ...(described.length === 0 ? {} : { parameters: described }),
    ...(requestBody === undefined ? {} : { requestBody: { required: true, content: describeBody(requestBody) } }),
    responses: mapValues(answers, describeAnswer),
  };
}

function pathParameters(path: string): ParameterObject[] {
  return Array.from(path.matchAll(/\{(\w+)\}/g), ([, name = '']) => {
    const { description = '', example = '' } = PATH_PARAMETERS[name] ?? {};
    return { name, in: 'path', required: true, description, schema: { type: 'string' }, example };
  });
}

function queryParameters(parameters: z.ZodObject | undefined): ParameterObject[] {
  return Object.entries(parameters?.shape ?? {}).map(([name, schema]) => {
    const { description, ...rest } = jsonSchema(schema as z.ZodType, 'output');
    const required = !(schema instanceof z.ZodOptional);
    return { name, in: 'query', required, description: String(description ?? ''), schema: rest };
  });
}

function headerParameters(headers: OperationDoc['requestHeaders']): ParameterObject[] {
  return Object.entries(headers ?? {}).map(([name, description]) => {
    return { name, in: 'header', required: false, description, schema: { type: 'string' } };
  });
}

function describeBody(body: NonNullable<OperationDoc['requestBody']>): Content {
  return mapValues(body, ({ schema, example }, mediaType) => ({
    schema: jsonSchema(schema),
    example: /[/+]json$/.test(mediaType) ? JSON.parse(example) : example,
  }));
}

function describeAnswer({ description, headers = [], content, events }: AnswerDoc): ResponseObject {
  const names: readonly HeaderName[] = ['X-Request-Id', ...headers];
  return {
    description,
    headers: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }])),
    content: mapValues(content, (schema) => ({
      schema: jsonSchema(schema),
      ...(events === undefined ? {} : { 'x-events': mapValues(events, (event) => jsonSchema(event)) }),
    })),
  };
}

function componentSchemas(): Readonly<Record<string, Json>> {
  const { schemas } = z.toJSONSchema(components, { uri: uriOf, io: 'input', override: tidy });
  return mapValues(schemas, withoutIds);
}

/** A schema as JSON Schema; a component becomes a reference. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output' = 'input'): Json {
  const id = components.get(schema)?.id;
  if (id !== undefined) return { $ref: uriOf(id) };
  if (schema instanceof z.ZodUnion) {
    return { oneOf: schema.options.map((option) => jsonSchema(option as z.ZodType, io)) };
  }
  return withoutIds(z.toJSONSchema(schema, { io, override: tidy }));
}

function uriOf(id: string): string {
  return `#/components/schemas/${id}`;
}

/** Removes JavaScript's largest exact integer, which Zod adds as a maximum. */
function tidy({ jsonSchema: made }: { readonly jsonSchema: { maximum?: number | undefined } }): void {
  if (made.maximum === Number.MAX_SAFE_INTEGER) delete made.maximum;
}

function withoutIds({ $schema: _, $id: __, ...schema }: Json): Json {
  return schema;
}

function mapValues<T, U>(
  from: Readonly<Record<string, T>>,
  map: (value: T, key: string) => U,
): Readonly<Record<string, U>> {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, map(value, key)]));
}
