import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { container, datum, EVENT, LOG_ENTRY } from '../support/avro-bodies.ts';
import { type Client, createClient } from '../support/client.ts';
import { delimited, textMessage } from '../support/protobuf-messages.ts';
import { REPOSITORY, removeDirs, type Service, startService } from '../support/service.ts';
import { readDeadLetters, readHourFiles } from '../support/storage.ts';

// The frames of testdata/frames are bytes that real senders send. POST takes their payloads; the text frame has no HTTP format.

const HEAD_BYTES = 5;
const LINE = '{"timestamp":"2025-07-02T17:00:01Z","level":"INFO","message":"hi","service":"api"}\n';
const TYPES = { json: 'application/json', proto: 'application/x-protobuf', avro: 'avro/binary' } as const;
type Format = keyof typeof TYPES;
const FORMATS = Object.keys(TYPES) as Format[];

/** The payload of a frame. */
function payload(format: Format): Buffer {
  const hex = readFileSync(join(REPOSITORY, 'testdata/frames', `${format}.hex`), 'utf8').trim();
  const frame = Buffer.from(hex, 'hex');
  expect(frame.readUInt32BE(1)).toBe(frame.length - HEAD_BYTES);
  return frame.subarray(HEAD_BYTES);
}

type Entry = Readonly<Partial<Record<keyof typeof EVENT, string>>>;
const FIELDS = ['timestamp', 'level', 'message', 'service'] as const;

/** A log entry, perhaps with a field missing, in each format. In Avro another schema says that the field is missing. */
const ENCODE: Readonly<Record<Format, (entry: Entry) => Buffer>> = {
  json: (entry) => Buffer.from(JSON.stringify(entry)),
  proto: (entry) =>
    textMessage(
      Object.fromEntries(FIELDS.flatMap((name, at) => (entry[name] === undefined ? [] : [[at + 1, entry[name]]]))),
    ),
  avro: (entry) => {
    const fields = LOG_ENTRY.fields.filter(({ name }) => Object.hasOwn(entry, name));
    if (fields.length === FIELDS.length) return datum({ ...EVENT, ...entry });
    return container({ ...LOG_ENTRY, fields }, [[datum(Object.fromEntries(Object.entries(entry)))]]);
  },
};

type LogEntry = typeof EVENT;

/** Several log entries as one body. */
const BATCH: Readonly<
  Record<Format, (entries: readonly LogEntry[]) => { readonly type: string; readonly body: Buffer }>
> = {
  json: (entries) => ({ type: TYPES.json, body: Buffer.from(JSON.stringify(entries)) }),
  proto: (entries) => ({ type: `${TYPES.proto}; delimited=true`, body: delimited(entries.map(ENCODE.proto)) }),
  avro: (entries) => ({ type: TYPES.avro, body: container(LOG_ENTRY, [entries.map(datum)]) }),
};

const without = (name: keyof typeof EVENT): Entry => {
  const { [name]: _, ...others } = EVENT;
  return others;
};

/** What a log entry may have wrong by the service itself, and the reason. */
const INVALID: readonly (readonly [what: string, entry: Entry, reason: string])[] = [
  ...FIELDS.map((name) => [`no ${name}`, without(name), `record 0 missing ${name}`] as const),
  ['an invalid timestamp', { ...EVENT, timestamp: 'yesterday' }, 'record 0 invalid timestamp format: "yesterday"'],
  ['an invalid level', { ...EVENT, level: 'LOUD' }, 'record 0 invalid level: "LOUD"'],
];

/** What only the strict schema refuses. */
const STRICT: typeof INVALID = [
  [
    'a long message',
    { ...EVENT, message: 'ü'.repeat(2_049) },
    'record 0 /message: message too long: 2049 characters, at most 2048',
  ],
  [
    'a long service name',
    { ...EVENT, service: 'x'.repeat(129) },
    'record 0 /service: service name too long: 129 characters, at most 128',
  ],
];

let service: Service;
let client: Client;
let stored = '';

beforeAll(async () => {
  service = await startService({ env: { LOGFORGE_AGGREGATION_INTERVAL: '1h' } });
  client = createClient(service.port);
});
afterAll(async () => {
  client.close();
  expect(await service.stop()).toEqual({ code: 0, signal: null });
  await removeDirs(service.dirs);
});

async function post(format: Format, body: Buffer) {
  const answer = await client.post(body, { 'Content-Type': TYPES[format] }, '/logs/events');
  return { status: answer.status, body: JSON.parse(answer.body) };
}

async function readStored(): Promise<string> {
  const files = await readHourFiles(service.dirs, 'events');
  return Buffer.concat([...files.values()]).toString();
}

async function expectStored(format: Format, body: Buffer, line: string): Promise<void> {
  expect(await post(format, body)).toEqual({ status: 202, body: { accepted: 1 } });
  stored += line;
  expect(await readStored()).toBe(stored);
}

async function expectRefused(format: Format, entry: Entry, reason: string): Promise<void> {
  const { status, body } = await post(format, ENCODE[format](entry));
  expect([status, body.detail, body.errors?.map((error: { reason: string }) => error.reason)]).toEqual([
    400,
    reason,
    [reason],
  ]);
  expect(await readStored()).toBe(stored);
  expect(await readDeadLetters(service.dirs)).toEqual([]);
}

// In this order: the second part registers the strict schema.
describe('without a schema of the stream', () => {
  it.each(FORMATS)('the payload of the frame %s is stored as the same line', (format) =>
    expectStored(format, payload(format), LINE));

  it.each(FORMATS)('every fault of a log entry in %s has its reason, and nothing is stored', async (format) => {
    for (const [, entry, reason] of INVALID) await expectRefused(format, entry, reason);
  });

  it.each(FORMATS)('what only the strict schema refuses is stored in %s', async (format) => {
    for (const [, entry] of STRICT) {
      await expectStored(format, ENCODE[format](entry), `${JSON.stringify({ ...EVENT, ...entry })}\n`);
    }
  });
});

describe('with the strict schema', () => {
  beforeAll(async () => {
    const schema = await readFile(join(REPOSITORY, 'config/schemas/log-entry.json'), 'utf8');
    const answer = await fetch(`${service.url}/registry/subjects/events/versions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ schemaType: 'JSON', schema }),
    });
    expect([answer.status, await answer.json()]).toEqual([200, { id: 3, version: 1 }]);
  });

  it.each(FORMATS)('the payload of the frame %s is stored as the same line', (format) =>
    expectStored(format, payload(format), LINE));

  it.each(
    FORMATS.flatMap((format) => [...INVALID, ...STRICT].map((fault) => [format, ...fault] as const)),
  )('refuses an entry in %s with %s, and nothing is stored', (format, _, entry, reason) =>
    expectRefused(format, entry, reason));

  it.each(
    FORMATS,
  )('an invalid entry in %s becomes a dead letter with its reason where it is skipped', async (format) => {
    const before = (await readDeadLetters(service.dirs)).length;
    const entries = [EVENT, ...STRICT.map(([, entry]) => ({ ...EVENT, ...entry }))];
    const { type, body } = BATCH[format](entries);
    const answer = await client.post(body, { 'Content-Type': type }, '/logs/events?invalid=skip');
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([202, { accepted: 1, rejected: STRICT.length }]);
    stored += LINE;
    expect(await readStored()).toBe(stored);
    const letters = (await readDeadLetters(service.dirs)).slice(before);
    expect(letters).toMatchObject(
      STRICT.map(([, entry, reason], at) => ({
        stage: 'ingest',
        stream: 'events',
        reason: reason.replace('record 0', `record ${at + 1}`),
        record: { ...EVENT, ...entry },
      })),
    );
  });
});
