import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../disk/missing.ts';
import { createSegmentNames } from '../disk/segment-names.ts';
import { readSchemaLog } from './schema-log.ts';
import { describeLog, type Finding } from './verify.ts';

/** A log of the registry, or of the copy of another one. */
const LOG_NAME = /^((?:schemas|remote-schemas-[0-9a-f]{8}))-\d{8}\.log$/;

/** The names of the schema stores in a state folder, as openSchemaStore takes them. */
export async function listSchemaStores(dir: string): Promise<readonly string[]> {
  try {
    const names = (await readdir(dir)).flatMap((name) => LOG_NAME.exec(name)?.[1] ?? []);
    return [...new Set(names)].sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Reads the logs of the schema registry of a service that does not run, and changes nothing. */
export async function* verifySchemas(dir: string): AsyncGenerator<Finding> {
  for (const store of await listSchemaStores(dir)) {
    const names = createSegmentNames({ prefix: `${store}-`, digits: 8, suffix: '.log' });
    for (const number of await names.list(dir)) {
      const { path, entries, damage, tornBytes } = readSchemaLog(join(dir, names.of(number)), number);
      yield { place: path, ...describeLog({ entries, damage, tornBytes }) };
    }
  }
}
