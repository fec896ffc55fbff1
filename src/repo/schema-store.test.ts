import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRandom } from '../../test/support/random.ts';
import { DamageReport } from '../disk/damage-report.ts';
import { describeDamage } from '../disk/damaged-files.ts';
import { createFaultyDisk } from '../disk/faulty-disk.case.ts';
import { diskFileSystem, type FileSystem } from '../disk/file-system.ts';
import type { SchemaEvent, SchemaTable } from '../model/schema-table.ts';
import { openSchemaStore, type SchemaStoreOptions } from './schema-store.ts';

let dir: string;
let warnings: string[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'logforge-schemas-'));
  warnings = [];
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const report = () =>
  new DamageReport({ stateDir: dir, count: () => undefined, clock: () => 0, log: { error: () => undefined } });
const log = { warn: (message: string) => void warnings.push(message) };
const open = (options: Partial<SchemaStoreOptions> = {}) => openSchemaStore({ dir, report: report(), log, ...options });

const version = (subject: string, number: number, id: number, text = `"${subject} ${number}"`): SchemaEvent => ({
  kind: 'version',
  subject,
  version: number,
  id,
  type: 'JSON',
  schema: text,
  references: [],
});
/** What can be read of a table. */
const content = (table: SchemaTable) => [...table.events()];
const logs = () => readdirSync(dir).filter((name) => name.endsWith('.log'));
const onlyLog = () => join(dir, logs()[0] ?? '');

describe('the schema store', () => {
  it('has after a restart what it had before', async () => {
    const store = await open();
    await store.append([version('a', 1, 1)]);
    await store.append([version('b', 1, 1), version('b', 2, 2), { kind: 'level', subject: 'b', level: 'FULL' }]);
    await store.append([{ kind: 'deleted', subject: 'b', version: 2 }]);
    await store.append([{ kind: 'mode', subject: null, mode: 'READONLY' }]);
    const before = content(store.table);
    await store.close();
    const { table } = await open();
    expect(content(table)).toEqual(before);
    expect([table.newest('b')?.version, table.version('b', 2)?.isDeleted, table.byId(2)?.schema]).toEqual([
      1,
      true,
      '"b 2"',
    ]);
    expect([table.level('b'), table.mode(null), logs().length]).toEqual(['FULL', 'READONLY', 1]);
  });

  it('never gives an id or a number again, after a version was deleted for good', async () => {
    const store = await open();
    await store.append([version('a', 1, 1), version('a', 2, 2)]);
    await store.append([
      { kind: 'removed', subject: 'a', version: 2 },
      { kind: 'removed', subject: 'a', version: 1 },
    ]);
    await store.close();
    // The first restart reads the changes, the next one a snapshot of what they left.
    await (await open()).close();
    const { table } = await open();
    expect([table.nextId, table.nextVersion('a'), table.nextVersion('b')]).toEqual([3, 3, 1]);
    expect([table.byId(1), table.subjects(), table.bytes, table.size]).toEqual([undefined, [], 0, 0]);
  });

  it('writes its log again when it has grown, and loses nothing', async () => {
    const store = await open({ growthBytes: 2_000 });
    for (let i = 1; i <= 100; i++) await store.append([version('a', i, i, `"${'x'.repeat(100)}${i}"`)]);
    const before = content(store.table);
    expect(Number(/\d+/.exec(logs()[0] ?? '')?.[0])).toBeGreaterThan(3);
    await store.close();
    expect(content((await open()).table)).toEqual(before);
  });

  it('tells its listeners of a change when it is durable, and waits for them', async () => {
    const store = await open();
    const told: number[] = [];
    const end = store.subscribe(async (events) => {
      await new Promise((resolve) => setImmediate(resolve));
      told.push(events.length);
    });
    await store.append([version('a', 1, 1)]);
    expect(told).toEqual([1]);
    end();
    await store.append([version('a', 2, 2)]);
    expect(told).toEqual([1]);
  });

  it('is served when it cannot be written, and takes changes when it can be again', async () => {
    const store = await open();
    await store.append([version('a', 1, 1)]);
    await store.close();
    let isFull = true;
    const full = async () => {
      if (isFull) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    };
    const files: FileSystem = {
      ...diskFileSystem,
      write: async (...args) => {
        await full();
        return diskFileSystem.write(...args);
      },
    };
    const second = await open({ files });
    expect(second.table.newest('a')?.version).toBe(1);
    await expect(second.append([version('a', 2, 2)])).rejects.toThrow('cannot store a change of the schema registry');
    await expect(second.check()).rejects.toThrow('no space');
    expect([second.table.newest('a')?.version, second.table.nextId, second.table.nextVersion('a')]).toEqual([1, 3, 3]);
    isFull = false;
    await second.check();
    await second.append([version('a', 3, 3)]);
    await second.close();
    const { table } = await open();
    expect(table.versions('a').map((one) => one.version)).toEqual([1, 3]);
  });
});

/** Changes as a registry makes them. Gives those that were answered, as the events that the table then had. */
async function work(files: FileSystem | undefined, seed: number): Promise<SchemaEvent[]> {
  const random = createRandom(seed);
  let answered: SchemaEvent[] = [];
  try {
    const store = await open({ growthBytes: 300, ...(files !== undefined && { files }) });
    answered = content(store.table);
    for (let i = 0; i < 16; i++) {
      const subject = `s${random.int(0, 2)}`;
      const { table } = store;
      const newest = table.newest(subject);
      const register = version(
        subject,
        table.nextVersion(subject),
        table.nextId,
        `"${'x'.repeat(random.int(0, 899))}${i}"`,
      );
      const remove: SchemaEvent = { kind: 'removed', subject, version: newest?.version ?? 0 };
      try {
        await store.append([newest !== undefined && random.chance(0.25) ? remove : register]);
        answered = content(table);
      } catch {
        // Not answered: it may be there after the restart, or not.
      }
    }
    await store.close();
  } catch {
    // The disk died at the start.
  }
  return answered;
}

const versionsOf = (events: readonly SchemaEvent[]) => events.filter(({ kind }) => kind === 'version');

/** What was answered is there; what is there beyond it was asked for; nothing that was given is given again. */
async function expectKept(answered: readonly SchemaEvent[]): Promise<void> {
  const { table, close } = await open().then((store) => ({ table: store.table, close: () => store.close() }));
  const removed = new Set<unknown>();
  for (const event of versionsOf(answered)) {
    if (event.kind !== 'version') continue;
    const kept = table.version(event.subject, event.version);
    // The one change that was under way may have removed it.
    if (kept === undefined) removed.add(event);
    else expect(kept.schema).toEqual({ id: event.id, type: 'JSON', schema: event.schema, references: [] });
    expect(table.nextId).toBeGreaterThan(event.id);
    expect(table.nextVersion(event.subject)).toBeGreaterThan(event.version);
  }
  expect(removed.size).toBeLessThanOrEqual(1);
  await close();
}

describe('after the death of the process or the machine', () => {
  it.each([
    ['kill', false],
    ['power cut', true],
  ])('at any operation (%s), what was answered is there', async (_, powerCut) => {
    let died = 0;
    for (let dieAt = 1; dieAt < 200; dieAt++) {
      rmSync(dir, { recursive: true, force: true });
      // The second life begins with what the first left.
      await work(undefined, 1);
      const disk = createFaultyDisk({ dieAt, shortWrites: dieAt % 2 === 0 });
      const answered = await work(disk.files, dieAt);
      if (disk.isDead()) died++;
      if (powerCut) disk.powerCut();
      await expectKept(answered);
      expect(await describeDamage(dir)).toBeUndefined();
      if (!disk.isDead()) break;
    }
    expect(died).toBeGreaterThan(30);
  });
});

describe('a damaged log', () => {
  async function fill(): Promise<Buffer> {
    const store = await open();
    for (let i = 1; i <= 5; i++) await store.append([version(`s${i}`, 1, i)]);
    await store.append([version('s1', 2, 6)]);
    await store.close();
    return readFileSync(onlyLog());
  }

  it('is corrected where one bit is wrong', async () => {
    const bytes = await fill();
    const at = bytes.indexOf('"s3 1') + 1;
    bytes[at] = (bytes[at] ?? 0) ^ 4;
    writeFileSync(onlyLog(), bytes);
    const { table } = await open();
    expect([table.byId(3)?.schema, table.byId(6)?.schema, table.nextId]).toEqual(['"s3 1"', '"s1 2"', 7]);
    expect(await describeDamage(dir)).toContain('it was corrected');
  });

  it.each([
    ['in the middle', 3],
    ['at the end', 6],
  ])('%s loses what stood there, says so, and gives nothing of it again', async (_, id) => {
    const bytes = await fill();
    const place = bytes.indexOf(`"id":${id},`);
    bytes.fill(0x55, place - 20, place + 30);
    writeFileSync(onlyLog(), bytes);
    const first = await open();
    const { table } = first;
    const others = [1, 2, 3, 4, 5, 6].filter((other) => other !== id);
    expect(others.map((other) => table.byId(other) !== undefined)).toEqual(others.map(() => true));
    expect(table.byId(id)).toBeUndefined();
    expect(await describeDamage(dir)).toContain('schemas may be lost');
    expect(table.nextId).toBeGreaterThan(6);
    expect(table.nextVersion('s1')).toBeGreaterThan(2);
    expect(table.nextVersion('s3')).toBeGreaterThan(1);
    await first.append([version('s3', table.nextVersion('s3'), table.nextId)]);
    const before = content(table);
    await first.close();
    expect(content((await open()).table)).toEqual(before);
  });

  it('that lost its last entries gives no id of them again', async () => {
    const bytes = await fill();
    const cut = bytes.indexOf('"id":4,');
    const rest = Buffer.alloc(bytes.length - cut, 0x55);
    writeFileSync(onlyLog(), Buffer.concat([bytes.subarray(0, cut), rest]));
    rmSync(join(dir, 'schemas.ids'));
    const { table } = await open();
    expect([table.byId(3)?.schema, table.byId(4)]).toEqual(['"s3 1"', undefined]);
    expect(table.nextId).toBeGreaterThan(6);
  });

  it.each([
    ['ends early', (bytes: Buffer) => bytes.subarray(0, 60)],
    ['lacks a sector', (bytes: Buffer) => Buffer.concat([Buffer.alloc(80, 0x55), bytes.subarray(80, 100)])],
  ])('does not count where its snapshot %s and the one before it is whole', async (_, spoil) => {
    const bytes = await fill();
    writeFileSync(join(dir, 'schemas-00000009.log'), spoil(bytes));
    const { table } = await open();
    expect([table.byId(6)?.schema, table.nextId, await describeDamage(dir)]).toEqual(['"s1 2"', 7, undefined]);
  });
});
