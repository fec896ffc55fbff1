import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Log } from '../log.ts';
import type { Registry } from '../model/registry.ts';
import type { SchemaType } from '../model/schema.ts';

const TYPES: Readonly<Record<string, SchemaType>> = { '.avsc': 'AVRO', '.proto': 'PROTOBUF', '.json': 'JSON' };
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Registers the files of a folder, by name: `<subject>.avsc`, `<subject>.proto`, `<subject>.json`. One that is registered already
 * changes nothing. What cannot be registered is named, and the others are. Never rejects.
 */
export async function loadSchemas(options: {
  readonly registry: Registry;
  readonly folder: string;
  readonly log: Log;
}): Promise<void> {
  const { registry, folder, log } = options;
  for (const name of await list(folder, log)) {
    const ending = extname(name);
    const type = TYPES[ending];
    if (type === undefined) continue;
    const file = join(folder, name);
    const subject = name.slice(0, name.length - ending.length);
    try {
      const { version, schema } = await registry.register({
        subject,
        proposed: { type, schema: await read(file), references: [] },
      });
      log.info('loaded a schema', { file, subject, version, id: schema.id });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.error('cannot load a schema; the service goes on without this version', { file, subject, reason });
    }
  }
}

async function list(folder: string, log: Log): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (err) {
    log.error('cannot read the folder of schemas (registry.load)', { folder, err });
    return [];
  }
}

async function read(file: string): Promise<string> {
  const { size } = await stat(file);
  if (size > MAX_FILE_BYTES) throw new Error(`the file is larger than ${MAX_FILE_BYTES} bytes`);
  return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
}
