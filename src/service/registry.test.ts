import { describe, expect, it } from 'vitest';
import { createMemoryRegistry } from '../../test/support/registry.ts';
import { compileSchema } from '../decode/protobuf/message-types.ts';
import { createRecordCheck } from '../decode/schema-check/schema-check.ts';
import { type FaultKind, type ProposedSchema, type Registry, RegistryFault } from '../model/registry.ts';
import { type CompatibilityLevel, SchemaTable } from '../model/schema-table.ts';
import { createRegistry } from './registry.ts';

const avro = (schema: unknown): ProposedSchema => ({ type: 'AVRO', schema: JSON.stringify(schema), references: [] });
const json = (schema: unknown): ProposedSchema => ({ type: 'JSON', schema: JSON.stringify(schema), references: [] });
const proto = (body: string): ProposedSchema => ({
  type: 'PROTOBUF',
  schema: `syntax = "proto3";\n${body}`,
  references: [],
});
const record = (...fields: object[]) => ({ type: 'record', name: 'R', fields });
const INT = { name: 'a', type: 'int' };
const LONG = { name: 'a', type: 'long' };

/** What a call is refused with. */
async function faultOf(work: Promise<unknown>): Promise<readonly [FaultKind, string]> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RegistryFault)) throw new Error(`no fault: ${String(error)}`);
  return [error.kind, error.message];
}

const content = (table: SchemaTable) => JSON.stringify([...table.events()]);

describe('registering', () => {
  it('gives the same schema the same id and version under its subject, and the same id under another', async () => {
    const { registry, table } = createMemoryRegistry();
    const first = await registry.register({ subject: 'a', proposed: avro(record(INT)) });
    const before = content(table);
    const spaced = { ...avro(0), schema: JSON.stringify(record(INT), undefined, 2) };
    const again = await registry.register({ subject: 'a', proposed: spaced });
    expect([again.version, again.schema.id, content(table)]).toEqual([first.version, first.schema.id, before]);
    const other = await registry.register({ subject: 'b', proposed: spaced });
    expect([other.version, other.schema.id]).toEqual([1, first.schema.id]);
    const next = await registry.register({ subject: 'b', proposed: avro(record(LONG)) });
    expect([next.version, next.schema.id]).toEqual([2, 2]);
  });

  it('decides one after the other what is asked for at once', async () => {
    const { registry } = createMemoryRegistry();
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        registry.register({ subject: 's', proposed: avro(record({ name: 'a', type: 'int', doc: String(i % 5) })) }),
      ),
    );
    expect(new Set(results.map(({ schema }) => schema.id))).toEqual(new Set([1, 2, 3, 4, 5]));
    expect(await registry.versions({ subject: 's', deleted: 'no' })).toEqual([1, 2, 3, 4, 5]);
  });

  const deep = `${'{"items":'.repeat(100)}{}${'}'.repeat(100)}`;
  const doubling = {
    definitions: Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [
        `d${i}`,
        { allOf: [{ $ref: `#/definitions/d${i + 1}` }, { $ref: `#/definitions/d${i + 1}` }] },
      ]),
    ),
    $ref: '#/definitions/d0',
  };
  it.each<[string, ProposedSchema, RegExp]>([
    ['not JSON', { ...avro(0), schema: '{' }, /Invalid schema/],
    ['no type', avro({}), /unknown type/],
    ['an unknown name', avro(record({ name: 'a', type: 'Zoo' })), /undefined type name: Zoo/],
    ['a name of every object', avro(record({ name: 'a', type: 'toString' })), /undefined type name/],
    ['a default of another type', avro(record({ ...INT, default: 'x' })), /incompatible field default/],
    ['deep AVRO', { ...avro(0), schema: deep }, /deeper than 64/],
    ['deep JSON', { ...json(0), schema: deep }, /deeper than 64/],
    ['a long text', json({ description: 'x'.repeat(600_000) }), /longer than/],
    ['many values', json({ enum: Array.from({ length: 30_000 }, (_, i) => i) }), /more than 20000 values/],
    ['a list as JSON Schema', json([]), /an object, true or false/],
    ['a wrong keyword', json({ type: 'strin' }), /type/],
    ['a pattern that does not compile', json({ pattern: '(' }), /Invalid schema/],
    ['a remote $ref', json({ $ref: 'http://127.0.0.1:1/x.json' }), /nothing is fetched/],
    ['a $ref to nothing', json({ $ref: '#/definitions/x' }), /there is no schema at/],
    ['an unknown draft', json({ $schema: 'http://json-schema.org/draft-03/schema#' }), /is not supported/],
    ['$refs that double and lead to nothing', json(doubling), /there is no schema at/],
    ['proto without a message', proto('package a;'), /no message/],
    ['proto with an unknown type', proto('message A { Zoo z = 1; }'), /Zoo/],
    ['proto with an unknown import', proto('import "x.proto";\nmessage A { int32 a = 1; }'), /x\.proto/],
    ['proto that is cut off', proto('message A { int32 a = 1;'), /Invalid schema/],
    [
      'a reference to nothing',
      { ...avro(record(INT)), references: [{ name: 'x', subject: 'x', version: 1 }] },
      /does not exist/,
    ],
  ])('refuses %s and stores nothing', async (_, proposed, message) => {
    const { registry, table } = createMemoryRegistry();
    const before = content(table);
    const [kind, text] = await faultOf(registry.register({ subject: 's', proposed }));
    expect(kind).toBe('invalid-schema');
    expect(text).toMatch(message);
    expect(content(table)).toBe(before);
  });

  it.each(['', 'a\nb', 'x'.repeat(256), '__GLOBAL'])('refuses the subject %j', async (subject) => {
    const { registry } = createMemoryRegistry();
    expect((await faultOf(registry.register({ subject, proposed: avro('int') })))[0]).toBe('invalid-subject');
  });

  it('refuses what cannot be stored, and goes on', async () => {
    const table = new SchemaTable();
    let isFull = true;
    const append = async (events: Parameters<SchemaTable['apply']>[0]) => {
      if (isFull) throw new Error('no space');
      table.apply(events);
    };
    const registry = createRegistry({ table, append, compileJson: createRecordCheck, compileProtobuf: compileSchema });
    expect(await faultOf(registry.register({ subject: 's', proposed: avro('int') }))).toEqual([
      'store-failed',
      'no space',
    ]);
    isFull = false;
    expect((await registry.register({ subject: 's', proposed: avro('int') })).version).toBe(1);
  });

  it('takes schemas that refer to others, and keeps those from being deleted', async () => {
    const { registry } = createMemoryRegistry();
    await registry.register({ subject: 'inner', proposed: avro({ type: 'record', name: 'I', fields: [INT] }) });
    const references = [{ name: 'I', subject: 'inner', version: 1 }];
    const { schema } = await registry.register({
      subject: 'outer',
      proposed: { ...avro(record({ name: 'i', type: 'I' })), references },
    });
    await registry.register({ subject: 'inner-proto', proposed: proto('message I { int32 a = 1; }') });
    await registry.register({
      subject: 'outer-proto',
      proposed: {
        ...proto('import "inner.proto";\nmessage O { I i = 1; }'),
        references: [{ name: 'inner.proto', subject: 'inner-proto', version: 1 }],
      },
    });
    await registry.register({ subject: 'inner-json', proposed: json({ type: 'string', maxLength: 3 }) });
    await registry.register({
      subject: 'outer-json',
      proposed: {
        ...json({ properties: { a: { $ref: 'inner.json' } } }),
        references: [{ name: 'inner.json', subject: 'inner-json', version: 1 }],
      },
    });
    expect(await registry.validate({ subject: 'outer-json', value: { a: 'long' } })).toMatch(/^\/a: /);
    expect(await registry.validate({ subject: 'outer-json', value: { a: 'x' } })).toBeUndefined();
    expect(await registry.referencedBy({ subject: 'inner', version: 1 })).toEqual([schema.id]);
    for (const subject of ['inner', 'inner-proto', 'inner-json']) {
      expect((await faultOf(registry.deleteSubject({ subject, permanent: false })))[0]).toBe('reference-exists');
    }
  });
});

describe('deleting', () => {
  async function two(): Promise<ReturnType<typeof createMemoryRegistry>> {
    const made = createMemoryRegistry();
    await made.registry.register({ subject: 's', proposed: avro(record(INT)) });
    await made.registry.register({ subject: 's', proposed: avro(record(LONG)) });
    return made;
  }
  const latest = (registry: Registry) => registry.version({ subject: 's', version: 'latest', deleted: false });

  it('softly hides a version and keeps its id; for good, it removes both, and gives neither again', async () => {
    const { registry, table } = await two();
    expect(await registry.deleteVersion({ subject: 's', version: 'latest', permanent: false })).toBe(2);
    expect((await latest(registry)).version).toBe(1);
    expect((await registry.schema({ id: 2 })).id).toBe(2);
    expect(await registry.versions({ subject: 's', deleted: 'only' })).toEqual([2]);
    expect((await faultOf(registry.deleteVersion({ subject: 's', version: 2, permanent: false })))[0]).toBe(
      'version-soft-deleted',
    );
    expect(await registry.deleteVersion({ subject: 's', version: 2, permanent: true })).toBe(2);
    expect(await faultOf(registry.schema({ id: 2 }))).toEqual(['schema-not-found', 'Schema 2 not found']);
    const again = await registry.register({ subject: 's', proposed: avro(record(LONG)) });
    expect([again.version, again.schema.id, table.nextId]).toEqual([3, 3, 4]);
  });

  it('asks for a soft deletion before one for good', async () => {
    const { registry } = await two();
    const kinds = async (permanent: boolean) => (await faultOf(registry.deleteSubject({ subject: 's', permanent })))[0];
    expect((await faultOf(registry.deleteVersion({ subject: 's', version: 1, permanent: true })))[0]).toBe(
      'version-not-soft-deleted',
    );
    expect(await kinds(true)).toBe('subject-not-soft-deleted');
    expect(await registry.deleteSubject({ subject: 's', permanent: false })).toEqual([1, 2]);
    expect(await kinds(false)).toBe('subject-soft-deleted');
    expect(await registry.subjects({ prefix: '', deleted: 'no' })).toEqual([]);
    expect(await registry.subjects({ prefix: '', deleted: 'only' })).toEqual(['s']);
    expect(await registry.deleteSubject({ subject: 's', permanent: true })).toEqual([1, 2]);
    expect(await kinds(true)).toBe('subject-not-found');
  });
});

describe('modes', () => {
  it('READONLY refuses changes', async () => {
    const { registry, table } = createMemoryRegistry();
    await registry.register({ subject: 's', proposed: avro('int') });
    await registry.setMode({ subject: null, mode: 'READONLY', force: false });
    const before = content(table);
    const calls = [
      registry.register({ subject: 's', proposed: avro('long') }),
      registry.deleteSubject({ subject: 's', permanent: false }),
      registry.deleteVersion({ subject: 's', version: 1, permanent: false }),
      registry.setLevel({ subject: 's', level: 'NONE' }),
    ];
    for (const call of calls) expect((await faultOf(call))[0]).toBe('not-permitted');
    expect(content(table)).toBe(before);
    await registry.setMode({ subject: 's', mode: 'READWRITE', force: false });
    expect((await registry.register({ subject: 's', proposed: avro('long') })).version).toBe(2);
  });

  it('IMPORT takes ids and versions as they are given, in any order, and never one that was another', async () => {
    const { registry } = createMemoryRegistry();
    await registry.setMode({ subject: null, mode: 'IMPORT', force: false });
    const at = (id: number, version: number, type: string) =>
      registry.register({ subject: 's', proposed: avro(type), id, version });
    await at(100, 5, 'int');
    await at(90, 3, 'string');
    expect(await registry.versions({ subject: 's', deleted: 'no' })).toEqual([3, 5]);
    expect((await faultOf(at(100, 6, 'bytes')))[0]).toBe('not-permitted');
    expect((await faultOf(at(91, 5, 'bytes')))[0]).toBe('not-permitted');
    await registry.deleteVersion({ subject: 's', version: 3, permanent: false });
    await registry.deleteVersion({ subject: 's', version: 3, permanent: true });
    expect((await faultOf(at(90, 7, 'bytes')))[0]).toBe('not-permitted');
    expect((await faultOf(at(91, 3, 'bytes')))[0]).toBe('not-permitted');
    expect((await faultOf(registry.register({ subject: 's', proposed: avro('bytes') })))[0]).toBe('not-permitted');
    await registry.setMode({ subject: null, mode: 'READWRITE', force: false });
    expect((await faultOf(at(200, 8, 'bytes')))[0]).toBe('not-permitted');
    expect((await faultOf(registry.setMode({ subject: null, mode: 'IMPORT', force: false })))[0]).toBe('not-permitted');
  });
});

describe('compatibility levels', () => {
  const V1 = avro(record(INT));
  const V2 = avro(record(INT, { name: 'b', type: 'int', default: 0 }));
  /** Reads V2, and not V1. */
  const V3 = avro(record(INT, { name: 'b', type: 'int' }));
  const NARROW = avro(record({ name: 'a', type: 'int' }));

  it.each<[CompatibilityLevel, ProposedSchema[], ProposedSchema, boolean]>([
    ['NONE', [V1], avro('string'), true],
    ['BACKWARD', [V1], V2, true],
    ['BACKWARD', [V1], V3, false],
    ['BACKWARD', [V1, V2], V3, true],
    ['BACKWARD_TRANSITIVE', [V1, V2], V3, false],
    ['FORWARD', [V1], V3, true],
    ['FORWARD', [avro(record(LONG))], NARROW, true],
    ['FORWARD', [V1], avro(record(LONG)), false],
    ['FULL', [V1], V2, true],
    ['FULL', [V1], avro(record(LONG)), false],
    ['FULL_TRANSITIVE', [V1, V2], V3, false],
    ['BACKWARD', [V1], json({ type: 'object' }), false],
  ])('%s after %j: %j is compatible: %s', async (level, before, proposed, isCompatible) => {
    const { registry, table } = createMemoryRegistry();
    await registry.setLevel({ subject: 's', level: 'NONE' });
    for (const one of before) await registry.register({ subject: 's', proposed: one });
    await registry.setLevel({ subject: 's', level });
    const messages = await registry.check({ subject: 's', version: 'all', proposed });
    expect(messages.length === 0).toBe(isCompatible);
    const stored = content(table);
    if (isCompatible)
      return expect((await registry.register({ subject: 's', proposed })).version).toBe(before.length + 1);
    expect((await faultOf(registry.register({ subject: 's', proposed })))[0]).toBe('incompatible-schema');
    expect(content(table)).toBe(stored);
  });

  it('are set for all subjects and for one', async () => {
    const { registry } = createMemoryRegistry();
    expect(await registry.level({ subject: null, orGlobal: false })).toBe('BACKWARD');
    await registry.setLevel({ subject: null, level: 'FULL' });
    expect(await registry.level({ subject: 's', orGlobal: false })).toBeUndefined();
    expect(await registry.level({ subject: 's', orGlobal: true })).toBe('FULL');
  });
});
