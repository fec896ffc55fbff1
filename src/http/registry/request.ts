import type { Context } from 'hono';
import type { Deleted, ProposedSchema, VersionName } from '../../model/registry.ts';
import { SCHEMA_TYPES, type SchemaReference, type SchemaType } from '../../model/schema.ts';
import { RequestFault } from './answers.ts';

/** Of a request: a schema of the largest size, every character of it escaped. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;
const MAX_REFERENCES = 100;
const MAX_VERSION = 2 ** 31 - 1;
const BODY_TYPES = /^application\/(?:vnd\.schemaregistry(?:\.v1)?\+json|json|octet-stream)\s*(?:;|$)/i;

/** The parts of a request that handlers ask for. */
export class RegistryRequest {
  readonly #context: Context;
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown;

  constructor(context: Context, body: unknown) {
    this.#context = context;
    this.body = body;
  }

  get subject(): string {
    return this.#context.req.param('subject') ?? '';
  }

  get subjectOrAll(): string | null {
    return this.#context.req.param('subject') ?? null;
  }

  get version(): VersionName {
    return readVersion(this.#context.req.param('version') ?? '');
  }

  get id(): number {
    const text = this.#context.req.param('id') ?? '';
    if (!/^\d{1,10}$/.test(text)) throw new RequestFault(404, `the id ${JSON.stringify(text)} is not a number`);
    return Number(text);
  }

  query(name: string): string | undefined {
    return this.#context.req.query(name);
  }

  flag(name: string): boolean {
    return this.query(name)?.toLowerCase() === 'true';
  }

  get deleted(): Deleted {
    if (this.flag('deletedOnly')) return 'only';
    return this.flag('deleted') ? 'also' : 'no';
  }

  get proposed(): ProposedSchema {
    return readProposed(this.member);
  }

  /** A member of the body, which must be an object. */
  member = (name: string): unknown => {
    if (typeof this.body !== 'object' || this.body === null || Array.isArray(this.body)) {
      throw new RequestFault(400, 'the body must be a JSON object');
    }
    return Object.hasOwn(this.body, name) ? Reflect.get(this.body, name) : undefined;
  };

  number(name: string): number | undefined {
    const value = this.member(name);
    return typeof value === 'number' && Number.isInteger(value) ? value : undefined;
  }
}

/** Reads the JSON body of a request that may have one. Throws RequestFault. */
export async function readBody(context: Context): Promise<unknown> {
  const { req } = context;
  if (req.method === 'GET' || req.method === 'HEAD' || req.method === 'DELETE') return undefined;
  const type = req.header('content-type') ?? '';
  if (!BODY_TYPES.test(type)) {
    throw new RequestFault(
      415,
      `the content type ${JSON.stringify(type)} is not supported; send application/vnd.schemaregistry.v1+json or application/json`,
    );
  }
  return parseJson(await readText(context));
}

export async function readText({ req }: Context): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of req.raw.body ?? []) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) throw new RequestFault(413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
    parts.push(part);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
  } catch {
    throw new RequestFault(400, 'the body is not UTF-8');
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RequestFault(400, `the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readVersion(text: string): VersionName {
  if (text === 'latest' || text === '-1') return 'latest';
  const number = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= MAX_VERSION) return number;
  throw new RequestFault(
    42202,
    `The specified version '${text}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string "latest"`,
  );
}

function readProposed(member: (name: string) => unknown): ProposedSchema {
  const type = member('schemaType') ?? 'AVRO';
  const schema = member('schema');
  if (!isSchemaType(type))
    throw new RequestFault(42201, `Invalid schema type ${JSON.stringify(type)}; supported: ${SCHEMA_TYPES.join(', ')}`);
  if (typeof schema !== 'string' || schema.trim() === '') throw new RequestFault(42201, 'Empty schema');
  return { type, schema, references: readReferences(member('references') ?? []) };
}

function isSchemaType(type: unknown): type is SchemaType {
  return SCHEMA_TYPES.some((known) => known === type);
}

function readReferences(value: unknown): SchemaReference[] {
  if (!Array.isArray(value) || value.length > MAX_REFERENCES) {
    throw new RequestFault(42201, `references must be a list of at most ${MAX_REFERENCES} references`);
  }
  return value.map((reference: unknown) => {
    const { name, subject, version }: { [Member in keyof SchemaReference]?: unknown } = Object(reference);
    if (
      typeof name !== 'string' ||
      typeof subject !== 'string' ||
      typeof version !== 'number' ||
      !Number.isInteger(version)
    ) {
      throw new RequestFault(42201, 'a reference needs a name, a subject and a version');
    }
    return { name, subject, version };
  });
}
