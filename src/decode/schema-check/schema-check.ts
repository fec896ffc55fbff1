import type { Layout } from '../../lines/layout.ts';
import { UnavailableError } from '../../model/deliver.ts';
import type { RegisteredSchema, Schemas } from '../../model/schema.ts';
import type { StreamName } from '../../model/stream.ts';
import type { RecordFault } from '../record.ts';
import { compileSchema } from './compile-schema.ts';
import { readFieldRules } from './field-rules.ts';
import { createFieldScan } from './field-scan.ts';
import { SchemaError } from './prepare-schema.ts';
import { createFieldsTest } from './required-fields.ts';

/*
 * The subject of a stream's own name may hold a JSON Schema. Then its newest version checks every record of the stream, whatever format the
 * record came in. What is checked is the stored line: after the level and the timestamp were normalised and extra fields were dropped. So
 * every format and every reader gives the same verdict.
 *
 * ajv is the one definition of what a schema accepts, and all reasons come from it. In front of it stands a scanner (field-scan.ts) that
 * accepts what is certainly valid by a schema which asks only for types, texts and required fields.
 */
export interface RecordCheck {
  /**
   * FAST PATH. Whether the stored line at [start, end), its newline included or not, is certainly valid. Where it is not, `faultOf` has the
   * last word. `view`: of the same bytes.
   */
  accepts(bytes: Buffer, view: DataView, start: number, end: number): boolean;
  /** FAST PATH. The same for a record in stored form whose required fields the scanner has found: see RecordScanner.fieldEnds. */
  acceptsFields(bytes: Buffer, view: DataView, start: number, end: number, fieldEnds: Int32Array): boolean;
  /** Why the schema refuses a stored line; undefined where it accepts it. */
  faultOf(line: string): RecordFault | undefined;
  /** What `accepts` costs for each byte, where the reference reader costs 1 (see pace.ts). */
  readonly cost: number;
}

/** The check that holds for a body which comes now. Throws UnavailableError where the newest schema cannot be used. */
export type CheckOfNow = () => RecordCheck | undefined;

/** A line that is longer cannot be checked: JSON.parse and ajv cannot pause. About 5 ms of work. */
export const MAX_CHECKED_BYTES = 1024 * 1024;

/** Of the scanner, and of JSON.parse and ajv together. */
const SCAN_COST = 1 / 8;
const AJV_COST = 2;

const RETRY_SECONDS = 30;

/** Compiles the newest schema of a stream when it changes. A schema never changes and its id names it, so each is compiled once. */
export function createCheckOf(stream: StreamName, schemas: Schemas, layout?: Layout): CheckOfNow {
  let known: RegisteredSchema | undefined;
  let check: RecordCheck | undefined;
  let failure: UnavailableError | undefined;
  return function checkOfNow() {
    const newest = schemas.newest(stream);
    if (newest === undefined || newest.schema.type !== 'JSON') return undefined;
    if (!isSame(newest.schema, known)) {
      known = newest.schema;
      failure = undefined;
      try {
        check = createRecordCheck(newest.schema, schemas, layout);
      } catch (error) {
        if (!(error instanceof SchemaError)) throw error;
        const what = `cannot check records of stream ${stream}: version ${newest.version} of subject ${stream} cannot be used`;
        const message = `${what}: ${error.message}; register a version that can, or delete this one`;
        failure = new UnavailableError(message, RETRY_SECONDS, { cause: error });
      }
    }
    if (failure !== undefined) throw failure;
    return check;
  };
}

/** The text is compared as well: another registry may give an id again. */
function isSame(schema: RegisteredSchema, known: RegisteredSchema | undefined): boolean {
  return schema === known || (schema.id === known?.id && schema.schema === known.schema);
}

/** `layout`: of the stored lines. Throws SchemaError. */
export function createRecordCheck(
  schema: Pick<RegisteredSchema, 'schema' | 'references'>,
  schemas: Pick<Schemas, 'version'>,
  layout?: Layout,
): RecordCheck {
  const { root, isValid, faultOf } = compileSchema(schema, schemas);
  const tooLong = { field: '', problem: `exceeds ${MAX_CHECKED_BYTES} bytes, the most that a schema is checked on` };
  const judge = (line: string) => (Buffer.byteLength(line) > MAX_CHECKED_BYTES ? tooLong : faultOf(line));
  const rules = readFieldRules(root);
  if (rules === undefined) {
    const accepts: RecordCheck['accepts'] = (bytes, _view, start, end) =>
      end - start < MAX_CHECKED_BYTES && isValid(bytes.toString('utf8', start, end));
    return { accepts, acceptsFields: accepts, faultOf: judge, cost: AJV_COST };
  }
  const scan = createFieldScan(rules);
  const accepts: RecordCheck['accepts'] = (bytes, view, start, end) =>
    end - start < MAX_CHECKED_BYTES && scan.accepts(bytes, view, start, end);
  const areValid = layout && createFieldsTest(rules, layout);
  const acceptsFields: RecordCheck['acceptsFields'] =
    areValid === undefined
      ? accepts
      : (bytes, view, start, end, fieldEnds) =>
          (end - start < MAX_CHECKED_BYTES && areValid(bytes, view, start, fieldEnds)) ||
          accepts(bytes, view, start, end);
  return { accepts, acceptsFields, faultOf: judge, cost: SCAN_COST };
}
