import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import avsc from 'avsc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRecords } from '../records/records.ts';
import { avroEncoding } from './avro.ts';
import { createEncoding } from './encodings.ts';
import { fetchSchema } from './fetch-schema.ts';
import { protobufEncoding } from './protobuf.ts';

const AT = Date.parse('2025-07-02T17:00:01.250Z');
const record = createRecords({ kind: 'events', seed: 1, producer: 0, fields: { big: '12', on: 'true' } })(AT);

const field = (name: string, type: unknown, more: object = {}) => ({ name, type, ...more });
const schemaOf = (...fields: object[]) => JSON.stringify({ type: 'record', name: 'Own', fields });

describe('an Avro schema of the registry', () => {
  it('gets its fields by name, in its types', () => {
    const schema = schemaOf(
      field('timestamp', { type: 'long', logicalType: 'timestamp-millis' }),
      field('duration', ['null', 'int'], { default: null }),
      field('big', 'long'),
      field('on', 'boolean'),
      field('absent', ['null', 'string'], { default: null }),
      field('message', { type: 'string' }),
    );
    const bytes = avroEncoding(schema).encode(record);
    expect(avsc.Type.forSchema(JSON.parse(schema)).fromBuffer(bytes)).toEqual({
      timestamp: AT,
      duration: record.fields.duration,
      big: 12,
      on: true,
      absent: null,
      message: record.fields.message,
    });
  });

  it('with a field that no record has is refused, by the name of the field', () => {
    const encoding = avroEncoding(schemaOf(field('message', 'string'), field('shard', 'int')));
    expect(() => encoding.encode(record)).toThrow(/does not fit the Avro schema: shard: expected "int"/);
  });

  it.each(['{', '"string"', '{"type":"nothing"}'])('%s is refused', (schema) => {
    expect(() => avroEncoding(schema)).toThrow(/the Avro schema/);
  });
});

it('a descriptor that is none is refused', () => {
  expect(() => protobufEncoding({ set: Buffer.from('nonsense'), name: 'X' })).toThrow(
    /cannot read the Protobuf schema X/,
  );
});

it('a JSON Schema is asked about each record, whatever the format', () => {
  const faultOf = (json: string) => ('user_id' in (JSON.parse(json) as object) ? 'unknown user_id' : undefined);
  const encoding = createEncoding({ format: 'raw', rfc: '5424', example: record.fields, faultOf });
  expect(() => encoding.encode(record)).toThrow(/does not fit the JSON Schema: unknown user_id/);
});

describe('fetching', () => {
  let server: Server;
  let url: URL;
  beforeAll(async () => {
    server = createServer(({ url: path = '' }, response) => {
      if (path === '/schema/get?format=avro&name=Own') response.end('{"schema":"{}"}');
      else if (path === '/schema/get?format=json&name=Own') response.end('{"schema":5}');
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it('gives the text of the schema', async () => {
    expect(await fetchSchema(url, 'Own', 'avro')).toEqual({ format: 'avro', name: 'Own', text: '{}' });
  });

  it('says what is wrong', async () => {
    await expect(fetchSchema(url, 'Own', 'raw')).rejects.toThrow(
      /cannot fetch the json schema Own .* no text "schema"/,
    );
    await expect(fetchSchema(url, 'Other', 'proto')).rejects.toThrow(/it answered 404; register the schema first/);
    await expect(fetchSchema(new URL('http://127.0.0.1:1'), 'Own', 'avro')).rejects.toThrow(/ECONNREFUSED|bad port/);
  });
});
