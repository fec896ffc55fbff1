import {
  create,
  createFileRegistry,
  type DescField,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonValue,
  ScalarType,
  toBinary,
} from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FileDescriptorSet,
  FileDescriptorSetSchema,
  TimestampSchema,
} from '@bufbuild/protobuf/wkt';
import { FRAME_KINDS } from '../../lines/frame-header.ts';
import { type BodyForm, EncodeError, type Encoding, type Fields } from '../generate.ts';
import { formatTime } from '../records/records.ts';

/**
 * One message a record, by the first message of a FileDescriptorSet that has this name, or by the built-in log.LogEntry. A field of the
 * message gets the field of its name, and stays unset where the record lacks it. Throws EncodeError.
 */
export function protobufEncoding(descriptor?: { readonly set: Uint8Array; readonly name: string }): Encoding {
  const message = descriptor === undefined ? logEntry() : findMessage(descriptor.set, descriptor.name);
  return {
    kind: FRAME_KINDS.protobuf,
    head: '',
    encode({ fields }) {
      try {
        return Buffer.from(toBinary(message, fromJson(message, toJson(message, fields))));
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new EncodeError(`a record does not fit the message ${message.typeName}: ${why}`);
      }
    },
    stamp: formatTime,
    body: DELIMITED,
  };
}

function findMessage(bytes: Uint8Array, name: string): DescMessage {
  let set: FileDescriptorSet;
  try {
    set = fromBinary(FileDescriptorSetSchema, bytes);
    const registry = createFileRegistry(set);
    // Imports come first, the schema itself last.
    const messages = [...registry.files].reverse().flatMap(({ messages: all }) => all);
    const found = messages.find((message) => message.name === name || message.typeName === name) ?? messages[0];
    if (found !== undefined) return found;
  } catch (error) {
    throw new EncodeError(`cannot read the Protobuf schema ${name}: ${error instanceof Error ? error.message : error}`);
  }
  throw new EncodeError(`the Protobuf schema ${name} has no message`);
}

/** The message LogEntry of the package log: four texts. */
function logEntry(): DescMessage {
  const field = ['timestamp', 'level', 'message', 'service'].map((name, index) => ({
    name,
    number: index + 1,
    type: FieldDescriptorProto_Type.STRING,
    label: FieldDescriptorProto_Label.OPTIONAL,
  }));
  const file = { name: 'log.proto', package: 'log', syntax: 'proto3', messageType: [{ name: 'LogEntry', field }] };
  return findMessage(toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: [file] })), 'LogEntry');
}

function toJson(message: DescMessage, fields: Fields): JsonValue {
  const values = message.fields.flatMap((field): [string, JsonValue][] => {
    const value = fields[field.name] ?? fields[field.jsonName];
    return value === undefined ? [] : [[field.name, toJsonValue(field, value)]];
  });
  return Object.fromEntries(values);
}

function toJsonValue(field: DescField, value: string | number): JsonValue {
  if (field.fieldKind === 'message' && field.message.typeName === TimestampSchema.typeName) {
    return typeof value === 'number' ? new Date(value * 1_000).toISOString() : value;
  }
  if (field.fieldKind !== 'scalar') return value;
  if (field.scalar === ScalarType.BOOL) return value === 'true';
  if (field.scalar === ScalarType.STRING) return String(value);
  return field.scalar === ScalarType.BYTES ? Buffer.from(String(value)).toString('base64') : value;
}

const DELIMITED: BodyForm = {
  contentType: 'application/x-protobuf-delimited',
  around: (payloads, index) => [varint(payloads[index]?.length ?? 0), ''],
};

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}
