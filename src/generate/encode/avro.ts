import avsc, { type Schema, type Type } from 'avsc';
import { FRAME_KINDS } from '../../lines/frame-header.ts';
import { type BodyForm, EncodeError, type Encoding, type Fields } from '../generate.ts';
import { formatTime } from '../records/records.ts';

const LOG_ENTRY = JSON.stringify({
  type: 'record',
  name: 'LogEntry',
  namespace: 'log',
  fields: ['timestamp', 'level', 'message', 'service'].map((name) => ({ name, type: 'string' })),
});

/** Between the blocks of an object container file. */
const SYNC = Buffer.from('logforge-generat');
const MICROS_PER_MS = 1_000;

/** A time of Avro, which stays a number. */
class TimeType extends avsc.types.LogicalType {
  protected override _fromValue(value: unknown): unknown {
    return value;
  }
  protected override _toValue(value: unknown): unknown {
    return value;
  }
}

/**
 * One datum a record, by this schema of a record, or that of LogEntry. A field of the schema gets the field of its name; one that the record
 * lacks has its default, or null where that is allowed. Throws EncodeError for text that is no such schema.
 */
export function avroEncoding(schemaText = LOG_ENTRY): Encoding {
  const type = toRecordType(schemaText);
  const fields = type.fields.map(planField);
  return {
    kind: FRAME_KINDS.avro,
    head: '',
    encode({ at, fields: values }) {
      const datum = Object.fromEntries(fields.map((field) => [field.name, pickValue(field, values, at)]));
      const problems: string[] = [];
      type.isValid(datum, {
        errorHook: (path, value, wanted) => problems.push(`${path.join('.')}: expected ${wanted}, got ${value}`),
      });
      if (problems.length > 0) throw new EncodeError(`a record does not fit the Avro schema: ${problems.join('; ')}`);
      return type.toBuffer(datum);
    },
    stamp: formatTime,
    body: container(schemaText),
  };
}

function toRecordType(text: string): avsc.types.RecordType {
  const logicalTypes = { 'timestamp-millis': TimeType, 'timestamp-micros': TimeType };
  let type: Type;
  try {
    type = avsc.Type.forSchema(JSON.parse(text) as Schema, { logicalTypes, wrapUnions: false });
  } catch (error) {
    throw new EncodeError(`cannot read the Avro schema: ${error instanceof Error ? error.message : error}`);
  }
  if (type.typeName !== 'record') throw new EncodeError(`the Avro schema is of a ${type.typeName}: expected a record`);
  return type as avsc.types.RecordType;
}

interface FieldPlan {
  readonly name: string;
  /** The type of its values: of a union the first that is not null. */
  readonly type: string;
  readonly logicalType: string | undefined;
  /** The value of a record that lacks it; undefined where it must have one. */
  readonly byDefault: unknown;
}

function planField({ name, type, defaultValue }: avsc.types.Field): FieldPlan {
  const types = unionTypes(type);
  const wanted = types.find(({ typeName }) => typeName !== 'null') ?? type;
  const schema: unknown = wanted.schema({ exportAttrs: true });
  const logicalType = typeof schema === 'object' && schema !== null && 'logicalType' in schema && schema.logicalType;
  return {
    name,
    type: wanted.typeName.replace(/^logical:/, ''),
    logicalType: typeof logicalType === 'string' ? logicalType : undefined,
    byDefault: defaultValue() ?? (types.some(({ typeName }) => typeName === 'null') ? null : undefined),
  };
}

function pickValue({ name, type, logicalType, byDefault }: FieldPlan, values: Fields, at: number): unknown {
  if (name === 'timestamp' && logicalType === 'timestamp-millis') return at;
  if (name === 'timestamp' && logicalType === 'timestamp-micros') return at * MICROS_PER_MS;
  const value = values[name];
  if (value === undefined) return byDefault;
  switch (type) {
    case 'int':
    case 'long':
    case 'float':
    case 'double':
      return Number(value);
    case 'boolean':
      return value === 'true';
    case 'bytes':
      return Buffer.from(String(value));
    default:
      return String(value);
  }
}

function unionTypes(type: Type): readonly Type[] {
  return 'types' in type && Array.isArray(type.types) ? (type.types as Type[]) : [type];
}

/** An object container file of one block: https://avro.apache.org/docs/1.12.0/specification/#object-container-files */
function container(schemaText: string): BodyForm {
  const head = Buffer.concat([
    Buffer.from('Obj\x01'),
    varint(1),
    text('avro.schema'),
    text(schemaText),
    varint(0),
    SYNC,
  ]);
  return {
    contentType: 'avro/binary',
    around(payloads, index) {
      const bytes = index > 0 ? 0 : payloads.reduce((sum, { length }) => sum + length, 0);
      const before = index > 0 ? '' : Buffer.concat([head, varint(payloads.length), varint(bytes)]);
      return [before, index === payloads.length - 1 ? SYNC : ''];
    },
  };
}

/** A count, zigzag-encoded. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value * 2;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(bytes.length), bytes]);
}
