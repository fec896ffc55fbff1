import type { Context, Hono } from 'hono';
import { parseJson } from '../../lines/parse-json.ts';
import { type Registry, RegistryFault } from '../../model/registry.ts';
import type { SchemaType, SubjectVersion } from '../../model/schema.ts';
import type { Problem, ProblemKind } from '../problem.ts';
import { RequestFault } from './answers.ts';
import { readText } from './request.ts';

/*
 * The five routes that older programs expect. They name a schema by its format and its name. The pair is a subject of the registry:
 *
 *   json:NAME → NAME     proto:NAME → NAME-protobuf     avro:NAME → NAME-avro
 *
 * and LogEntry is another name for the stream events.
 */
const FORMATS = { json: ['JSON', ''], avro: ['AVRO', '-avro'], proto: ['PROTOBUF', '-protobuf'] } as const;
type Format = keyof typeof FORMATS;
const PAIRS: Readonly<Record<SchemaType, { readonly format: Format; readonly suffix: string }>> = {
  JSON: { format: 'json', suffix: FORMATS.json[1] },
  AVRO: { format: 'avro', suffix: FORMATS.avro[1] },
  PROTOBUF: { format: 'proto', suffix: FORMATS.proto[1] },
};
const LOG_ENTRY = { name: 'LogEntry', stream: 'events' } as const;

type Handle = (context: Context, registry: Registry) => Promise<Response>;

export const SCHEMA_ROUTES: readonly (readonly ['GET' | 'POST', string, Handle])[] = [
  ['POST', '/schema/register', register],
  ['GET', '/schema/get', get],
  ['GET', '/schema/list', list],
  ['GET', '/schema/descriptor', descriptor],
  ['POST', '/schema/validate', validate],
];

export function addSchemaRoutes(
  app: Hono,
  options: {
    readonly registry: Registry;
    readonly answerProblem: (problem: Problem) => Response;
  },
): void {
  const { registry, answerProblem } = options;
  for (const [method, path, handle] of SCHEMA_ROUTES) {
    app.on(method, path, async (context) => {
      try {
        return await handle(context, registry);
      } catch (error) {
        return answerProblem(toProblem(error));
      }
    });
    app.all(path, ({ req }) => {
      const allow = method === 'GET' ? 'GET, HEAD' : method;
      const detail = `method ${req.method} is not allowed on ${path}; allowed: ${allow}`;
      return answerProblem({ kind: 'method-not-allowed', detail, headers: ['Allow', allow] });
    });
  }
}

const KINDS: Readonly<Record<number, ProblemKind>> = {
  400: 'bad-request',
  413: 'body-too-large',
  501: 'unsupported-format',
};

function toProblem(error: unknown): Problem {
  if (error instanceof RequestFault) return { kind: KINDS[error.code] ?? 'bad-request', detail: error.message };
  if (!(error instanceof RegistryFault)) throw error;
  const { kind, message: detail } = error;
  if (kind === 'incompatible-schema') return { kind, detail };
  if (kind === 'store-failed') return { kind: 'unavailable', detail, headers: ['Retry-After', '5'] };
  return { kind: kind.endsWith('-not-found') ? 'not-found' : 'invalid-schema', detail };
}

async function register(context: Context, registry: Registry): Promise<Response> {
  const body = await readObject(context);
  const format = toFormat(body.format);
  const name = toName(body.name);
  const schema = typeof body.schema === 'string' ? body.schema : JSON.stringify(body.schema ?? '');
  await registry.register({
    subject: subjectOf(format, name),
    proposed: { type: FORMATS[format][0], schema, references: [] },
  });
  return context.text(`Registered schema ${format}:${name}`, 201);
}

async function get(context: Context, registry: Registry): Promise<Response> {
  const format = toFormat(context.req.query('format'));
  const name = toName(context.req.query('name'));
  const { schema } = await find(registry, format, name);
  return context.json({ format, name, schema });
}

/** Subjects that a pair names. Others, such as those that clients of Kafka use, are left out. */
async function list(context: Context, registry: Registry): Promise<Response> {
  const newest = await registry.list({ prefix: '', deleted: false, latestOnly: true });
  return context.json(newest.flatMap((version) => toPair(version) ?? []));
}

async function descriptor(context: Context, registry: Registry): Promise<Response> {
  const { id } = await find(registry, 'proto', toName(context.req.query('name')));
  const bytes = Uint8Array.from(await registry.descriptors({ id, imports: true }));
  return context.body(bytes, 200, { 'Content-Type': 'application/octet-stream' });
}

async function validate(context: Context, registry: Registry): Promise<Response> {
  const { format: given, name, data } = await readObject(context);
  if (given !== 'json')
    throw new RequestFault(501, `data of the format ${JSON.stringify(given)} cannot be validated; supported: json`);
  const subject = subjectOf('json', toName(name));
  const problem = await registry.validate({ subject, value: toValue(data) });
  if (problem !== undefined) throw new RequestFault(400, problem);
  return context.text('Validation successful');
}

/** Programs send the data as JSON, or as a text that is JSON. */
function toValue(data: unknown): unknown {
  if (typeof data !== 'string') return data;
  try {
    return parseJson(data);
  } catch {
    return data;
  }
}

async function find(registry: Registry, format: Format, name: string) {
  const subject = subjectOf(format, name);
  const { schema } = await registry.version({ subject, version: 'latest', deleted: false });
  if (schema.type === FORMATS[format][0]) return schema;
  throw new RegistryFault('subject-not-found', `there is no schema ${format}:${name}`);
}

function subjectOf(format: Format, name: string): string {
  return `${name === LOG_ENTRY.name ? LOG_ENTRY.stream : name}${FORMATS[format][1]}`;
}

function toPair({ subject, schema }: SubjectVersion) {
  const { format, suffix } = PAIRS[schema.type];
  if (!subject.endsWith(suffix)) return undefined;
  const name = subject.slice(0, subject.length - suffix.length);
  return { format, name: name === LOG_ENTRY.stream ? LOG_ENTRY.name : name, schema: schema.schema };
}

function toFormat(value: unknown): Format {
  if (value === 'json' || value === 'avro' || value === 'proto') return value;
  throw new RequestFault(400, `the format is ${JSON.stringify(value)}; supported: json, avro, proto`);
}

function toName(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new RequestFault(400, 'the name is missing');
}

async function readObject(context: Context): Promise<Record<string, unknown>> {
  const body = parse(await readText(context));
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new RequestFault(400, 'the body must be a JSON object');
  return { ...body };
}

function parse(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    throw new RequestFault(400, `the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
