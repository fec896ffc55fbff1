import { createMemoryRegistry } from '../../../test/support/registry.ts';
import { type Registry, RegistryFault } from '../../model/registry.ts';
import type { Drive } from './contract-drives.case.ts';
import type { Fixture, Setup } from './contract-fixture.case.ts';
import type { RawAnswer } from './raw-client.case.ts';

// How to get each documented answer of the schema registry.

const JSON_TYPE = 'application/json';

function send({ ask }: Fixture, line: string, body?: object | string): Promise<RawAnswer> {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  const head = [
    `${line} HTTP/1.1`,
    'Host: a',
    `Content-Type: ${JSON_TYPE}`,
    `Content-Length: ${Buffer.byteLength(text)}`,
  ];
  return ask(`${head.join('\r\n')}\r\n\r\n${text}`);
}

const AVRO = { schema: '{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}' };
const OTHER = { schema: '{"type":"record","name":"R","fields":[{"name":"b","type":"int"}]}' };
const PROTOBUF = { schemaType: 'PROTOBUF', schema: 'syntax = "proto3"; message M { string a = 1; }' };
const INVALID = { schema: '{' };
const REFERRING = {
  schemaType: 'JSON',
  schema: '{"$ref":"a.json"}',
  references: [{ name: 'a.json', subject: 'a', version: 1 }],
};

type Step = readonly [line: string, body?: object | string];

/** Registers `a`, sends the requests one after the other, and gives the last answer. */
function steps(...requests: readonly Step[]): Drive {
  return {
    ask: async (fixture) => {
      const registered = await send(fixture, 'POST /registry/subjects/a/versions', AVRO);
      if (registered.status !== 200) throw new Error(`cannot register: ${registered.body}`);
      let answer = registered;
      for (const [line, body] of requests) answer = await send(fixture, line, body);
      return answer;
    },
  };
}

const get = (path: string) => steps([`GET ${path}`]);

/** A registry that has something and can store nothing more. */
async function failing(): Promise<Registry> {
  const { registry } = createMemoryRegistry();
  await registry.register({ subject: 'a', proposed: { type: 'AVRO', references: [], ...AVRO } });
  const fail = () => Promise.reject(new RegistryFault('store-failed', 'the disk is full'));
  return {
    ...registry,
    register: fail,
    deleteSubject: fail,
    deleteVersion: fail,
    setLevel: fail,
    setMode: fail,
    level: async () => 'FULL',
    mode: async () => 'READWRITE',
  };
}

async function full(line: string, body?: object | string): Promise<Drive> {
  const setup: Setup = { registry: await failing() };
  return { setup, ask: (fixture) => send(fixture, line, body) };
}

const PAIR = { format: 'json', name: 'LogEntry', schema: '{"type":"object","required":["level"]}' };
const REGISTER: Step = ['POST /schema/register', PAIR];
const validating = (data: unknown, more = {}): Step => [
  'POST /schema/validate',
  { format: 'json', name: 'LogEntry', data, ...more },
];

const SUBJECT = '/registry/subjects/{subject}';
const VERSIONS = `${SUBJECT}/versions`;
const VERSION = `${VERSIONS}/{version}`;
const BY_ID = '/registry/schemas/ids/{id}';
const CHECK = '/registry/compatibility/subjects/{subject}/versions';

export const REGISTRY_DRIVES: Readonly<Record<string, readonly Drive[]>> = {
  'get /registry/subjects 200': [get('/registry/subjects?subjectPrefix=a')],
  [`post ${SUBJECT} 200`]: [steps(['POST /registry/subjects/a', AVRO])],
  [`post ${SUBJECT} 404`]: [steps(['POST /registry/subjects/b', AVRO]), steps(['POST /registry/subjects/a', OTHER])],
  [`post ${SUBJECT} 422`]: [steps(['POST /registry/subjects/a', INVALID])],
  [`delete ${SUBJECT} 200`]: [steps(['DELETE /registry/subjects/a'])],
  [`delete ${SUBJECT} 404`]: [steps(['DELETE /registry/subjects/b'])],
  [`delete ${SUBJECT} 503`]: [await full('DELETE /registry/subjects/a')],
  [`get ${VERSIONS} 200`]: [get('/registry/subjects/a/versions')],
  [`get ${VERSIONS} 404`]: [get('/registry/subjects/b/versions')],
  [`post ${VERSIONS} 200`]: [steps(), steps(['POST /registry/subjects/p/versions', PROTOBUF])],
  [`post ${VERSIONS} 409`]: [steps(['POST /registry/subjects/a/versions', OTHER])],
  [`post ${VERSIONS} 422`]: [steps(['POST /registry/subjects/a/versions', INVALID])],
  [`post ${VERSIONS} 503`]: [await full('POST /registry/subjects/a/versions', AVRO)],
  [`get ${VERSION} 200`]: [
    get('/registry/subjects/a/versions/latest'),
    steps(
      ['POST /registry/subjects/a/versions', AVRO],
      ['POST /registry/subjects/p/versions', PROTOBUF],
      ['GET /registry/subjects/p/versions/1'],
    ),
  ],
  [`get ${VERSION} 404`]: [get('/registry/subjects/a/versions/9')],
  [`get ${VERSION} 422`]: [get('/registry/subjects/a/versions/x')],
  [`delete ${VERSION} 200`]: [steps(['DELETE /registry/subjects/a/versions/1'])],
  [`delete ${VERSION} 404`]: [steps(['DELETE /registry/subjects/a/versions/9'])],
  [`delete ${VERSION} 422`]: [steps(['DELETE /registry/subjects/a/versions/x'])],
  [`delete ${VERSION} 503`]: [await full('DELETE /registry/subjects/a/versions/1')],
  [`get ${VERSION}/schema 200`]: [get('/registry/subjects/a/versions/1/schema')],
  [`get ${VERSION}/schema 404`]: [get('/registry/subjects/b/versions/1/schema')],
  [`get ${VERSION}/schema 422`]: [get('/registry/subjects/a/versions/0/schema')],
  [`get ${VERSION}/referencedby 200`]: [get('/registry/subjects/a/versions/1/referencedby')],
  [`get ${VERSION}/referencedby 404`]: [get('/registry/subjects/b/versions/1/referencedby')],
  [`get ${VERSION}/referencedby 422`]: [get('/registry/subjects/a/versions/0/referencedby')],
  'get /registry/schemas 200': [
    get('/registry/schemas'),
    steps(
      ['DELETE /registry/subjects/a'],
      ['DELETE /registry/subjects/a?permanent=true'],
      ['POST /registry/subjects/a/versions', { schemaType: 'JSON', schema: '{}' }],
      ['POST /registry/subjects/r/versions', REFERRING],
      ['GET /registry/schemas?latestOnly=true'],
    ),
  ],
  'get /registry/schemas/types 200': [get('/registry/schemas/types')],
  [`get ${BY_ID} 200`]: [get('/registry/schemas/ids/1')],
  [`get ${BY_ID} 404`]: [get('/registry/schemas/ids/9'), get('/registry/schemas/ids/x')],
  ...Object.fromEntries(
    ['schema', 'subjects', 'versions'].flatMap((what) => [
      [`get ${BY_ID}/${what} 200`, [get(`/registry/schemas/ids/1/${what}`)]],
      [`get ${BY_ID}/${what} 404`, [get(`/registry/schemas/ids/9/${what}`)]],
    ]),
  ),
  [`post ${CHECK} 200`]: [
    steps(['POST /registry/compatibility/subjects/a/versions', AVRO]),
    steps(['POST /registry/compatibility/subjects/a/versions?verbose=true', OTHER]),
  ],
  [`post ${CHECK} 422`]: [steps(['POST /registry/compatibility/subjects/a/versions', INVALID])],
  [`post ${CHECK}/{version} 200`]: [steps(['POST /registry/compatibility/subjects/a/versions/1', OTHER])],
  [`post ${CHECK}/{version} 404`]: [steps(['POST /registry/compatibility/subjects/a/versions/9', AVRO])],
  [`post ${CHECK}/{version} 422`]: [steps(['POST /registry/compatibility/subjects/a/versions/1', INVALID])],
  ...settingDrives(
    '/registry/config',
    { compatibility: 'FULL' },
    await full('PUT /registry/config', { compatibility: 'NONE' }),
    await full('DELETE /registry/config'),
  ),
  ...settingDrives(
    '/registry/mode',
    { mode: 'READONLY' },
    await full('PUT /registry/mode', { mode: 'READONLY' }),
    await full('DELETE /registry/mode'),
  ),
  'get /registry/contexts 200': [get('/registry/contexts')],
  'post /schema/register 201': [steps(REGISTER)],
  'post /schema/register 400': [
    steps(['POST /schema/register', '[']),
    steps(['POST /schema/register', { ...PAIR, format: 'xml' }]),
  ],
  'post /schema/register 409': [steps(REGISTER, ['POST /schema/register', { ...PAIR, schema: '{"type":"string"}' }])],
  'post /schema/register 422': [steps(['POST /schema/register', { ...PAIR, schema: '{"type":"strin"}' }])],
  'post /schema/register 503': [await full('POST /schema/register', PAIR)],
  'get /schema/get 200': [steps(REGISTER, ['GET /schema/get?format=json&name=LogEntry'])],
  'get /schema/get 400': [get('/schema/get?format=xml&name=LogEntry'), get('/schema/get?format=json')],
  'get /schema/get 404': [get('/schema/get?format=json&name=LogEntry')],
  'get /schema/list 200': [get('/schema/list'), steps(REGISTER, ['GET /schema/list'])],
  'get /schema/descriptor 200': [
    steps(
      ['POST /schema/register', { format: 'proto', name: 'M', schema: PROTOBUF.schema }],
      ['GET /schema/descriptor?name=M'],
    ),
  ],
  'get /schema/descriptor 400': [get('/schema/descriptor')],
  'get /schema/descriptor 404': [get('/schema/descriptor?name=LogEntry')],
  'post /schema/validate 200': [steps(REGISTER, validating({ level: 'INFO' }))],
  'post /schema/validate 400': [steps(REGISTER, validating({})), steps(['POST /schema/validate', '{'])],
  'post /schema/validate 404': [steps(validating({}))],
  'post /schema/validate 501': [steps(validating({}, { format: 'avro' }))],
};

function settingDrives(path: string, set: object, fullPut: Drive, fullDelete: Drive) {
  const one = `${path}/a`;
  const of = `${path}/{subject}`;
  return {
    [`get ${path} 200`]: [get(path)],
    [`put ${path} 200`]: [steps([`PUT ${path}`, set])],
    [`put ${path} 422`]: [steps([`PUT ${path}`, {}])],
    [`put ${path} 503`]: [fullPut],
    [`delete ${path} 200`]: [steps([`DELETE ${path}`])],
    [`delete ${path} 503`]: [fullDelete],
    [`get ${of} 200`]: [get(`${one}?defaultToGlobal=true`), steps([`PUT ${one}`, set], [`GET ${one}`])],
    [`get ${of} 404`]: [get(one)],
    [`put ${of} 200`]: [steps([`PUT ${one}`, set])],
    [`put ${of} 422`]: [steps([`PUT ${one}`, {}])],
    [`put ${of} 503`]: [fullPut],
    [`delete ${of} 200`]: [steps([`PUT ${one}`, set], [`DELETE ${one}`])],
    [`delete ${of} 404`]: [steps([`DELETE ${one}`])],
    [`delete ${of} 503`]: [fullDelete],
  };
}
