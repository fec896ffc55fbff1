import type { Context, Hono } from 'hono';
import { type Registry, RegistryFault } from '../../model/registry.ts';
import { type RegisteredSchema, SCHEMA_TYPES } from '../../model/schema.ts';
import { COMPATIBILITY_LEVELS, REGISTRY_MODES } from '../../model/schema-table.ts';
import { faultAnswer, RequestFault, schemaAnswer, typeFor, versionAnswer } from './answers.ts';
import { RegistryRequest, readBody } from './request.ts';

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';
/** Gives what becomes JSON, or a text that is the answer as it is. */
type Handle = (request: RegistryRequest, registry: Registry) => Promise<unknown>;

/** The answer as it is. */
class Verbatim {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** https://docs.confluent.io/platform/current/schema-registry/develop/api.html */
export const REGISTRY_ROUTES: readonly (readonly [Method, string, Handle])[] = [
  [
    'GET',
    '/subjects',
    (request, registry) =>
      registry.subjects({ prefix: request.query('subjectPrefix') ?? '', deleted: request.deleted }),
  ],
  ['GET', '/subjects/:subject/versions', ({ subject, deleted }, registry) => registry.versions({ subject, deleted })],
  [
    'GET',
    '/subjects/:subject/versions/:version',
    async (request, registry) => {
      const found = await findVersion(request, registry);
      return versionAnswer({ ...found, schema: await inForm(found.schema, request, registry) });
    },
  ],
  [
    'GET',
    '/subjects/:subject/versions/:version/schema',
    async (request, registry) => new Verbatim((await findVersion(request, registry)).schema.schema),
  ],
  [
    'GET',
    '/subjects/:subject/versions/:version/referencedby',
    ({ subject, version }, registry) => registry.referencedBy({ subject, version }),
  ],
  ['POST', '/subjects/:subject/versions', register],
  [
    'POST',
    '/subjects/:subject',
    async (request, registry) => {
      const { subject, proposed } = request;
      return versionAnswer(await registry.lookUp({ subject, proposed, deleted: request.flag('deleted') }));
    },
  ],
  [
    'DELETE',
    '/subjects/:subject',
    (request, registry) => registry.deleteSubject({ subject: request.subject, permanent: request.flag('permanent') }),
  ],
  [
    'DELETE',
    '/subjects/:subject/versions/:version',
    (request, registry) =>
      registry.deleteVersion({
        subject: request.subject,
        version: request.version,
        permanent: request.flag('permanent'),
      }),
  ],
  ['GET', '/schemas', listSchemas],
  ['GET', '/schemas/types', async () => SCHEMA_TYPES.toReversed()],
  ['GET', '/schemas/ids/:id', schemaById],
  ['GET', '/schemas/ids/:id/schema', async ({ id }, registry) => new Verbatim((await registry.schema({ id })).schema)],
  [
    'GET',
    '/schemas/ids/:id/subjects',
    async (request, registry) => {
      const uses = await registry.uses({ id: request.id, deleted: request.flag('deleted') });
      return [...new Set(uses.map(({ subject }) => subject))];
    },
  ],
  [
    'GET',
    '/schemas/ids/:id/versions',
    async (request, registry) => {
      const uses = await registry.uses({ id: request.id, deleted: request.flag('deleted') });
      return uses.map(({ subject, version }) => ({ subject, version }));
    },
  ],
  ['POST', '/compatibility/subjects/:subject/versions', (request, registry) => checkSchema(request, registry, 'all')],
  [
    'POST',
    '/compatibility/subjects/:subject/versions/:version',
    (request, registry) => checkSchema(request, registry, request.version),
  ],
  ...['/config', '/config/:subject'].flatMap((path): (readonly [Method, string, Handle])[] => [
    ['GET', path, getLevel],
    ['PUT', path, putLevel],
    ['DELETE', path, deleteLevel],
  ]),
  ...['/mode', '/mode/:subject'].flatMap((path): (readonly [Method, string, Handle])[] => [
    ['GET', path, getMode],
    ['PUT', path, putMode],
    ['DELETE', path, deleteMode],
  ]),
  ['GET', '/contexts', async () => ['.']],
];

/** Confluent's API under `base`. */
export function addRegistryRoutes(
  app: Hono,
  options: {
    readonly base: string;
    readonly registry: Registry;
  },
): void {
  const { base, registry } = options;
  for (const [method, path, handle] of REGISTRY_ROUTES) {
    app.on(method, `${base}${path}`, (context) =>
      answer(context, async () => handle(new RegistryRequest(context, await readBody(context)), registry)),
    );
  }
  for (const path of new Set(REGISTRY_ROUTES.map(([, one]) => one))) {
    const allowed = REGISTRY_ROUTES.flatMap(([method, one]) => {
      if (one !== path) return [];
      return method === 'GET' ? [method, 'HEAD'] : [method];
    });
    app.all(`${base}${path}`, (context) => {
      const message = `method ${context.req.method} is not allowed on ${context.req.path}; allowed: ${allowed.join(', ')}`;
      const answered = faultAnswer(context, new RequestFault(405, message));
      answered.headers.set('Allow', allowed.join(', '));
      return answered;
    });
  }
  app.all(`${base}/*`, (context) => faultAnswer(context, new RequestFault(404, `no such route: ${context.req.path}`)));
}

async function answer(context: Context, work: () => Promise<unknown>): Promise<Response> {
  try {
    const result = await work();
    const text = result instanceof Verbatim ? result.text : JSON.stringify(result);
    return context.body(text, 200, {
      'Content-Type': typeFor(context.req.header('accept')),
      'Cache-Control': 'no-store',
    });
  } catch (error) {
    if (error instanceof RegistryFault || error instanceof RequestFault) return faultAnswer(context, error);
    throw error;
  }
}

function findVersion(request: RegistryRequest, registry: Registry) {
  const { subject, version } = request;
  return registry.version({ subject, version, deleted: request.flag('deleted') });
}

async function register(request: RegistryRequest, registry: Registry) {
  const { subject, proposed } = request;
  const [id, version] = [request.number('id'), request.number('version')];
  const registered = await registry.register({
    subject,
    proposed,
    ...(id !== undefined && id > 0 && { id }),
    ...(version !== undefined && version > 0 && { version }),
  });
  return { id: registered.schema.id, version: registered.version };
}

async function listSchemas(request: RegistryRequest, registry: Registry) {
  const prefix = request.query('subjectPrefix') ?? '';
  const found = await registry.list({
    prefix,
    deleted: request.flag('deleted'),
    latestOnly: request.flag('latestOnly'),
  });
  return found.map(versionAnswer);
}

async function schemaById(request: RegistryRequest, registry: Registry) {
  const { id } = request;
  const subject = request.query('subject');
  const schema = await registry.schema({ id, ...(subject !== undefined && subject !== '' && { subject }) });
  return schemaAnswer(await inForm(schema, request, registry));
}

/** `format=serialized`: a PROTOBUF schema as its descriptor in base64, as the serializers of some clients read it. */
async function inForm(schema: RegisteredSchema, request: RegistryRequest, registry: Registry) {
  if (request.query('format') !== 'serialized' || schema.type !== 'PROTOBUF') return schema;
  const descriptor = Buffer.from(await registry.descriptors({ id: schema.id, imports: false }));
  return { ...schema, schema: descriptor.toString('base64') };
}

async function checkSchema(request: RegistryRequest, registry: Registry, version: 'all' | RegistryRequest['version']) {
  const { subject, proposed } = request;
  const messages = await registry.check({ subject, version, proposed });
  return { is_compatible: messages.length === 0, ...(request.flag('verbose') && { messages }) };
}

async function getLevel(request: RegistryRequest, registry: Registry) {
  const subject = request.subjectOrAll;
  const level = await registry.level({ subject, orGlobal: request.flag('defaultToGlobal') });
  if (level !== undefined) return { compatibilityLevel: level };
  throw new RegistryFault('level-not-set', `Subject '${subject}' does not have subject-level compatibility configured`);
}

async function putLevel(request: RegistryRequest, registry: Registry) {
  const given = request.member('compatibility');
  const level = COMPATIBILITY_LEVELS.find((one) => one === String(given).toUpperCase());
  if (level === undefined) {
    throw new RegistryFault(
      'invalid-level',
      `Invalid compatibility level. Valid values are ${COMPATIBILITY_LEVELS.join(', ')}`,
    );
  }
  await registry.setLevel({ subject: request.subjectOrAll, level });
  return { compatibility: level };
}

/** Gives the level that was set. */
async function deleteLevel(request: RegistryRequest, registry: Registry) {
  const before = await getLevel(request, registry);
  await registry.setLevel({ subject: request.subjectOrAll, level: null });
  return before;
}

async function getMode(request: RegistryRequest, registry: Registry) {
  const subject = request.subjectOrAll;
  const mode = await registry.mode({ subject, orGlobal: request.flag('defaultToGlobal') });
  if (mode !== undefined) return { mode };
  throw new RegistryFault('mode-not-set', `Subject '${subject}' does not have subject-level mode configured`);
}

async function putMode(request: RegistryRequest, registry: Registry) {
  const given = request.member('mode');
  const mode = REGISTRY_MODES.find((one) => one === String(given).toUpperCase());
  if (mode === undefined)
    throw new RegistryFault('invalid-mode', `Invalid mode. Valid values are ${REGISTRY_MODES.join(', ')}`);
  await registry.setMode({ subject: request.subjectOrAll, mode, force: request.flag('force') });
  return { mode };
}

async function deleteMode(request: RegistryRequest, registry: Registry) {
  const before = await getMode(request, registry);
  await registry.setMode({ subject: request.subjectOrAll, mode: null, force: false });
  return before;
}
