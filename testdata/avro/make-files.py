"""Writes testdata/decode/avro/fastavro-*, by another implementation of Avro: pip install fastavro==1.13.1 cramjam==2.14.0 backports.zstd."""
import base64, datetime, decimal, json, pathlib, re, uuid
import fastavro

SCHEMA = fastavro.parse_schema({
    "type": "record", "name": "Access", "namespace": "web.log", "fields": [
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "path", "type": "string"},
        {"name": "userAgent", "type": ["null", "string"], "default": None},
        {"name": "status", "type": "int"},
        {"name": "bytes", "type": ["null", "long"]},
        {"name": "seconds", "type": "double"},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 3}},
        {"name": "method", "type": {"type": "enum", "name": "Method", "symbols": ["GET", "POST"]}},
        {"name": "tags", "type": {"type": "array", "items": ["null", "string", "int"]}},
        {"name": "headers", "type": {"type": "map", "values": "string"}},
        {"name": "parent", "type": ["null", {
            "type": "record", "name": "Parent", "fields": [{"name": "id", "type": "long"}, {"name": "up", "type": ["null", "Parent"]}]}]},
    ]})


def record(i):
    return {
        "timestamp": datetime.datetime(2025, 11, 22, 15, 23, i, 120000 * i, tzinfo=datetime.timezone.utc),
        "path": f"/page/{i}/é\"",
        "userAgent": None if i == 2 else "curl/8",
        "status": 200 + i,
        "bytes": None if i == 0 else -(2 ** 62) - i,
        "seconds": 0.1 * i,
        "day": datetime.date(1969, 12, 30 + min(i, 1)),
        "clock": datetime.time(23, 59, i, 1000 * i),
        "price": decimal.Decimal("-12.30") * i,
        "id": str(uuid.UUID(int=i)),
        "hash": bytes([i, 255, 0]),
        "method": "POST" if i % 2 else "GET",
        "tags": [None, "a", i],
        "headers": {"x": "1", "y": str(i)},
        "parent": None if i == 0 else {"id": 2 ** 53 + i, "up": {"id": i, "up": None}},
    }


OUT = pathlib.Path(__file__).parent.parent / "decode" / "avro"
for codec in ["null", "deflate", "zstandard", "snappy"]:
    with open(OUT / f"fastavro-{codec}.skip.in", "wb") as file:
        fastavro.writer(file, SCHEMA, [record(i) for i in range(4)], codec=codec, sync_interval=200, sync_marker=bytes(range(16)))


def expected(i):
    """The record as JSON, written here by Python alone."""
    r = record(i)
    fraction = ["", ".12", ".24", ".36"][i]
    fields = {"timestamp": f"2025-11-22T15:23:0{i}{fraction}Z", "path": r["path"]}
    if r["userAgent"] is not None:
        fields["userAgent"] = r["userAgent"]
    fields["status"] = r["status"]
    if r["bytes"] is not None:
        fields["bytes"] = r["bytes"]
    fields |= {
        "seconds": r["seconds"] or 0,
        "day": r["day"].isoformat(),
        "clock": r["clock"].isoformat(timespec="milliseconds").removesuffix(".000"),
        "price": f"<{r['price']:.2f}>",
        "id": r["id"],
        "hash": base64.b64encode(r["hash"]).decode(),
        "method": r["method"],
        "tags": r["tags"],
        "headers": r["headers"],
    }
    if r["parent"] is not None:
        fields["parent"] = {"id": r["parent"]["id"], "up": {"id": i}}
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return re.sub('"<(.*?)>"', r"\1", text).replace("-0.00", "0.00")


lines = [expected(i) for i in range(4)]
refused = json.dumps([2, "userAgent", "record 2 missing userAgent", lines[2]], ensure_ascii=False, separators=(",", ":"))
out = "accepted 3 rejected 1\nhour 2025-11-22T15:00:00Z 3\n" + "".join(f"{lines[i]}\n" for i in (0, 1, 3)) + f"- {refused}\n"
for codec in ["null", "deflate", "zstandard", "snappy"]:
    (OUT / f"fastavro-{codec}.skip.out").write_text(out)
