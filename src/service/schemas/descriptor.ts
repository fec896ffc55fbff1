import { clearField, clone, create } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FieldOptionsSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileOptionsSchema,
  MessageOptionsSchema,
  OneofDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';

/**
 * The descriptor as protoc writes it, for clients, which refuse any other: features stand in editions alone, a field of a primitive type has
 * no type name, and an `optional` of proto3 is a oneof of its own, after all others.
 * Source: https://github.com/protocolbuffers/protobuf/blob/main/docs/implementing_proto3_presence.md
 */
export function toClientDescriptor(proto: FileDescriptorProto): FileDescriptorProto {
  const file = clone(FileDescriptorProtoSchema, proto);
  const hasFeatures = file.syntax === 'editions';
  if (!hasFeatures && file.options !== undefined) clearField(file.options, FileOptionsSchema.field.features);
  for (const message of file.messageType) finishMessage(message, hasFeatures);
  return file;
}

function finishMessage(message: DescriptorProto, hasFeatures: boolean): void {
  if (!hasFeatures && message.options !== undefined) clearField(message.options, MessageOptionsSchema.field.features);
  for (const field of message.field) {
    finishField(field, hasFeatures);
    if (!field.proto3Optional) continue;
    field.oneofIndex = message.oneofDecl.length;
    message.oneofDecl.push(create(OneofDescriptorProtoSchema, { name: `_${field.name}` }));
  }
  for (const nested of message.nestedType) finishMessage(nested, hasFeatures);
}

function finishField(field: FieldDescriptorProto, hasFeatures: boolean): void {
  if (field.typeName === '') clearField(field, FieldDescriptorProtoSchema.field.typeName);
  if (!hasFeatures && field.options !== undefined) clearField(field.options, FieldOptionsSchema.field.features);
}
