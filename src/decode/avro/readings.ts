import type { RegisteredSchema, Schemas } from '../../model/schema.ts';
import type { StreamName } from '../../model/stream.ts';
import { MalformedBodyError } from '../decode.ts';
import { PREFIX_BYTES, readSchemaId } from '../wire-format.ts';
import { readFingerprint, SINGLE_OBJECT_BYTES } from './fingerprint.ts';
import type { AvroSchemas, RecordSchema } from './schemas.ts';

/** A way to read a body of one record. */
export interface Reading {
  readonly schema: RecordSchema;
  /** Where the datum begins. */
  readonly start: number;
}

/** Finds out by which schema the record of a body is read. */
export interface Readings {
  /** The ways that the beginning of the body allows, the most certain first; at least one. Throws MalformedBodyError where there is none. */
  of(body: Buffer): readonly Reading[];
  /** The way by the newest schema; undefined where there is none, MalformedBodyError where it cannot be read. */
  newest(): Reading | MalformedBodyError | undefined;
  /** What is wrong with the schema id that stands before the record; undefined where none does, or it is known. */
  idFault(body: Buffer): string | undefined;
}

export function createReadings({
  stream,
  registry,
  schemas,
}: {
  readonly stream: StreamName;
  readonly registry: Schemas;
  readonly schemas: AvroSchemas;
}): Readings {
  const subject = `${stream}-avro`;

  function byFingerprint(body: Buffer): readonly Reading[] {
    const fingerprint = readFingerprint(body);
    if (fingerprint === undefined) return [];
    for (let version = registry.newest(subject)?.version ?? 0; version > 0; version--) {
      const registered = registry.version(subject, version)?.schema;
      const schema =
        registered?.type === 'AVRO' ? schemas.ofRegistered(registered, nameOf(subject, version)) : undefined;
      if (schema?.fingerprint === fingerprint) return [{ schema, start: SINGLE_OBJECT_BYTES }];
    }
    return [];
  }

  function byId(body: Buffer): readonly Reading[] {
    const id = readSchemaId(body, 0, body.length);
    const registered = id === undefined ? undefined : registry.byId(id);
    if (registered?.type !== 'AVRO') return [];
    return [{ schema: schemas.ofRegistered(registered, `schema id ${id}`), start: PREFIX_BYTES }];
  }

  function byNewest(): readonly Reading[] {
    const newest = registry.newest(subject);
    if (newest === undefined) return [];
    return [{ schema: schemas.ofRegistered(newest.schema, nameOf(subject, newest.version)), start: 0 }];
  }

  function idFault(body: Buffer): string | undefined {
    const id = readSchemaId(body, 0, body.length);
    if (id === undefined) return undefined;
    const registered: RegisteredSchema | undefined = registry.byId(id);
    if (registered === undefined) return `there is no schema id ${id}`;
    return registered.type === 'AVRO' ? undefined : `schema id ${id} is of ${registered.type}, not of AVRO`;
  }

  return {
    of(body) {
      const readings = [...byFingerprint(body), ...byId(body), ...byNewest()];
      if (readings.length > 0) return readings;
      throw new MalformedBodyError(
        idFault(body) ??
          `no schema describes the body: register one under the subject ${subject}, or send an Avro file, which has its own`,
      );
    },
    newest: () => orMalformed(() => byNewest()[0]),
    idFault,
  };
}

function orMalformed<T>(read: () => T): T | MalformedBodyError {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedBodyError) return error;
    throw error;
  }
}

function nameOf(subject: string, version: number): string {
  return `version ${version} of the subject ${subject}`;
}
