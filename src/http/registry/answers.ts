import type { Context } from 'hono';
import { FAULT_CODES, type RegistryFault } from '../../model/registry.ts';
import type { RegisteredSchema, SubjectVersion } from '../../model/schema.ts';

/** The media type of the Confluent Schema Registry. Clients that accept nothing but JSON get that. */
export const REGISTRY_TYPE = 'application/vnd.schemaregistry.v1+json';

/** A request that the registry does not get to see. `code`: as in the answer, whose status it begins with. */
export class RequestFault extends Error {
  override readonly name = 'RequestFault';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export function typeFor(accept: string | undefined): string {
  return accept?.includes('application/json') === true && !accept.includes('schemaregistry')
    ? 'application/json'
    : REGISTRY_TYPE;
}

/** The status of a fault: a code begins with it. What the service cannot do now is 503. */
export function statusOf(code: number): number {
  if (code === FAULT_CODES['store-failed']) return 503;
  return code < 1_000 ? code : Math.floor(code / 100);
}

/** `{"error_code":40401,"message":"…"}` */
export function faultAnswer(context: Context, fault: RegistryFault | RequestFault): Response {
  const code = 'code' in fault ? fault.code : FAULT_CODES[fault.kind];
  const status = statusOf(code);
  const headers = new Headers({ 'Content-Type': typeFor(context.req.header('accept')) });
  if (status === 503) headers.set('Retry-After', '5');
  return new Response(JSON.stringify({ error_code: code, message: fault.message }), { status, headers });
}

/** AVRO is the type where none is named, and no references are no member. */
export function schemaAnswer({ type, schema, references }: RegisteredSchema) {
  return {
    ...(type !== 'AVRO' && { schemaType: type }),
    schema,
    ...(references.length > 0 && { references }),
  };
}

export function versionAnswer({ subject, version, schema }: SubjectVersion) {
  return { subject, version, id: schema.id, ...schemaAnswer(schema) };
}
