"""Drives a schema registry with Confluent's client for Python: every call that it has for schemas. Prints what it saw, as JSON."""
import json
import sys

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

client = SchemaRegistryClient({"url": sys.argv[1]})
seen = {}


def record(*fields):
    return json.dumps({"type": "record", "name": "P", "fields": [{"name": "a", "type": "int"}, *fields]})


first = Schema(record(), "AVRO")
seen["id"] = client.register_schema("py-value", first)
seen["again"] = client.register_schema("py-value", first)
seen["text"] = client.get_schema(seen["id"]).schema_str
seen["lookup"] = client.lookup_schema("py-value", first).version
worse = Schema(record({"name": "b", "type": "int"}), "AVRO")
seen["compatible"] = client.test_compatibility("py-value", worse)
try:
    client.register_schema("py-value", worse)
except SchemaRegistryError as error:
    seen["refused"] = [error.http_status_code, error.error_code]
better = Schema(record({"name": "b", "type": "int", "default": 0}), "AVRO")
client.register_schema("py-value", better)
seen["latest"] = client.get_latest_version("py-value").version
seen["version"] = client.get_version("py-value", 1).schema_id
seen["versions"] = client.get_versions("py-value")
inner = Schema('syntax = "proto3"; message Inner { int32 a = 1; }', "PROTOBUF")
client.register_schema("py-inner", inner)
outer = Schema(
    'syntax = "proto3"; import "inner.proto"; message Outer { Inner i = 1; }',
    "PROTOBUF",
    [SchemaReference("inner.proto", "py-inner", 1)],
)
client.register_schema("py-outer", outer)
seen["references"] = client.get_latest_version("py-outer").schema.references[0].subject
seen["level"] = client.get_compatibility()
client.set_compatibility("py-value", "FULL")
seen["own level"] = client.get_compatibility("py-value")

to_avro = AvroSerializer(client, record(), conf={"auto.register.schemas": True})
frame = to_avro({"a": 7}, SerializationContext("py-ser", MessageField.VALUE))
seen["frame"] = frame.hex()
seen["value"] = AvroDeserializer(client)(frame, SerializationContext("py-ser", MessageField.VALUE))
schema = json.dumps({"title": "J", "type": "object", "properties": {"a": {"type": "integer"}}})
to_json = JSONSerializer(schema, client)
seen["json frame"] = to_json({"a": 7}, SerializationContext("py-json", MessageField.VALUE))[5:].decode()

# The message class as protoc makes it, without its compiler.
file = descriptor_pb2.FileDescriptorProto(name="log.proto", package="log", syntax="proto3")
fields = file.message_type.add(name="LogEntry").field
for number, name in enumerate(["timestamp", "level", "message", "service"], 1):
    fields.add(name=name, number=number, type=9, label=1)
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
LogEntry = message_factory.GetMessageClass(pool.FindMessageTypeByName("log.LogEntry"))
optional = 'syntax = "proto3"; package log; message LogEntry { string timestamp = 1; string level = 2; string message = 3; string service = 4; optional string host = 5; oneof of { int32 a = 6; int32 b = 7; } }'
client.register_schema("events-protobuf", Schema(optional, "PROTOBUF"))
context = SerializationContext("events-protobuf", MessageField.VALUE)
conf = {"subject.name.strategy": lambda *_: "events-protobuf"}
entry = LogEntry(timestamp="2025-07-02T17:00:01Z", level="INFO", message="hi", service="api")
try:
    ProtobufSerializer(LogEntry, client, conf)(entry, context)
except SchemaRegistryError as error:
    seen["descriptor"] = [error.http_status_code, error.error_code, error.error_message]
# Another client: the first one knows the schema as the text that it registered.
reader = SchemaRegistryClient({"url": sys.argv[1]})
to_protobuf = ProtobufSerializer(
    LogEntry, reader, {**conf, "auto.register.schemas": False, "use.latest.version": True}
)
frame = to_protobuf(entry, context)
seen["protobuf frame"] = frame.hex()
seen["protobuf value"] = ProtobufDeserializer(LogEntry, conf, reader)(frame, context).service

seen["deleted"] = client.delete_version("py-value", 1)
client.delete_subject("py-value")
seen["deleted subject"] = client.delete_subject("py-value", permanent=True)
seen["subjects"] = sorted(name for name in client.get_subjects() if name.startswith("py"))
print(json.dumps(seen))
