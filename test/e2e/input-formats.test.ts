import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { startWithInputs } from '../support/input-service.ts';
import { REPOSITORY, removeDirs, type Service } from '../support/service.ts';
import { eventually, readDeadLetters, readRecords } from '../support/storage.ts';
import { readMetric } from '../support/version2.ts';

/* What inputs of a real process make of frames and lines of every format. */

let service: Service;
afterEach(async () => {
  await service.stop('SIGKILL');
  await removeDirs(service.dirs);
});

/** Sends the pieces to an input, each in a packet of its own. */
async function send(name: string, pieces: readonly (string | Buffer)[]): Promise<void> {
  const where = await eventually(() => {
    const match = new RegExp(`"input":"${name}","where":"([^"]+)"`).exec(service.logs());
    expect(match).not.toBeNull();
    return match?.[1] ?? '';
  });
  const [host = '', port] = where.split(':');
  const socket = connect({ host, port: Number(port), noDelay: true });
  await once(socket, 'connect');
  for (const piece of pieces) await new Promise<void>((resolve) => void socket.write(piece, () => resolve()));
  socket.end();
  await once(socket, 'close');
}

const EVENT = { timestamp: '2025-07-02T17:00:01Z', level: 'INFO', message: 'hi', service: 'api' };

function golden(name: string): Buffer {
  return Buffer.from(readFileSync(join(REPOSITORY, `testdata/frames/${name}.hex`), 'utf8').trim(), 'hex');
}

function frame(kind: number, payload: string): Buffer {
  const bytes = Buffer.alloc(5 + Buffer.byteLength(payload));
  bytes[0] = kind;
  bytes.writeUInt32BE(Buffer.byteLength(payload), 1);
  bytes.write(payload, 5);
  return bytes;
}

it('the universal port stores frames of every format, and says what is wrong with others', async () => {
  service = await startWithInputs(['{name: all, framing: universal}']);
  const schema = readFileSync(join(REPOSITORY, 'config/schemas/log-entry.json'), 'utf8');
  const body = JSON.stringify({ schema, schemaType: 'JSON' });
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(`${service.url}/registry/subjects/events/versions`, { method: 'POST', body, headers });
  expect(answer.status).toBe(200);
  const bytes = Buffer.concat([
    ...['json', 'proto', 'avro', 'raw'].map(golden),
    frame(1, JSON.stringify({ ...EVENT, message: 'x'.repeat(2_049) })),
    frame(1, JSON.stringify({ ...EVENT, service: 'x'.repeat(129) })),
    frame(1, JSON.stringify({ ...EVENT, level: 'LOUD' })),
    frame(1, JSON.stringify({ ...EVENT, timestamp: 'yesterday' })),
    frame(4, '{"level":"INFO"}'),
    frame(3, ''),
    frame(9, 'what'),
    golden('json'),
  ]);
  const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => bytes.subarray(i * 7, i * 7 + 7));
  await send('all', pieces);
  await eventually(async () => {
    expect((await readMetric(service, 'logforge_input_records_total')).get('{input="all"}')).toBe(12);
  });
  expect(await readRecords(service.dirs, 'events')).toEqual(Array(5).fill(EVENT));
  expect((await readDeadLetters(service.dirs)).map(({ reason }) => reason)).toEqual([
    'message too long: 2049 characters, at most 2048',
    'service name too long: 129 characters, at most 128',
    'invalid level: "LOUD"',
    'invalid timestamp format: "yesterday"',
    'missing timestamp',
    'an empty frame',
    'unknown format 9: expected 1 JSON, 2 Protobuf, 3 Avro, 4 text',
  ]);
  expect((await readMetric(service, 'logforge_records_unaccounted')).get('')).toBe(0);
});

it('records of a program that names its fields otherwise, and lines of text, are stored as events', async () => {
  service = await startWithInputs([
    '{name: seed, timestamps: auto, rename: {source: service}}',
    '{name: door, format: auto}',
    '{name: web, format: combined, stream: access}',
  ]);
  await send('seed', ['{"source":"producer","timestamp":1757680000,"level":"INFO","message":"ABC"}\n']);
  await send('door', ['<4>Jul  2 17:00:01 host auth[7]: wet\r\n\n', 'a bell \xff rang\n', '{"timestamp":1}\n']);
  await send('web', ['::1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 1 "-" "curl/8"\n']);
  await eventually(async () => {
    expect(await readRecords(service.dirs, 'events')).toHaveLength(3);
    expect(await readRecords(service.dirs)).toHaveLength(1);
    expect(await readDeadLetters(service.dirs)).toHaveLength(1);
  });
  const stored = await readRecords(service.dirs, 'events');
  const of = (name: string) => stored.find((record) => record.service === name);
  expect(of('producer')).toEqual({
    timestamp: '2025-09-12T12:26:40Z',
    level: 'INFO',
    message: 'ABC',
    service: 'producer',
  });
  expect(of('auth')).toMatchObject({ level: 'WARN', message: 'wet', host: 'host', pid: '7' });
  expect(of('door')).toMatchObject({ level: 'INFO', message: 'a bell ÿ rang', timestampSource: 'arrival' });
  expect(await readRecords(service.dirs)).toEqual([
    {
      timestamp: '2015-05-17T10:05:03Z',
      path: '/a',
      userAgent: 'curl/8',
      client: '::1',
      method: 'GET',
      protocol: 'HTTP/1.1',
      status: 200,
      bytes: 1,
    },
  ]);
  expect(await readDeadLetters(service.dirs)).toMatchObject([
    { reason: 'timestamp must be a string', source: 'input:door', stream: 'events' },
  ]);
});
