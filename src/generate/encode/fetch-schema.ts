import type { Format } from '../generate.ts';

/** A schema as the registry gives it. */
export type FetchedSchema =
  | { readonly format: 'json' | 'avro'; readonly name: string; readonly text: string }
  /** `descriptor`: a FileDescriptorSet, with what the schema imports. */
  | { readonly format: 'proto'; readonly name: string; readonly descriptor: Uint8Array };

const TIMEOUT_MS = 10_000;

/**
 * Fetches the newest schema of this name: for proto and avro that of the format, for all others the JSON Schema. Rejects with what the registry
 * answered.
 */
export async function fetchSchema(registry: URL, name: string, format: Format): Promise<FetchedSchema> {
  const kind = format === 'proto' || format === 'avro' ? format : 'json';
  const path = kind === 'proto' ? 'descriptor' : 'get';
  const url = new URL(registry);
  url.pathname = `${url.pathname.replace(/\/$/, '')}/schema/${path}`;
  url.search = new URLSearchParams(kind === 'proto' ? { name } : { format: kind, name }).toString();
  const failed = (why: string) => new Error(`cannot fetch the ${kind} schema ${name} from ${registry}: ${why}`);
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw failed(error instanceof Error ? String(error.cause ?? error.message) : String(error));
  }
  if (!response.ok)
    throw failed(`it answered ${response.status}; register the schema first, or name another with --type`);
  if (kind === 'proto') return { format: kind, name, descriptor: await response.bytes() };
  const answer: unknown = await response.json();
  const schema = typeof answer === 'object' && answer !== null && 'schema' in answer ? answer.schema : undefined;
  if (typeof schema === 'string') return { format: kind, name, text: schema };
  throw failed('the answer has no text "schema"');
}
