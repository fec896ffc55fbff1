import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestLog } from '../../test/support/queues.ts';
import { DamageReport } from '../disk/damage-report.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { type Hour, hourToIso, parseHour } from '../model/hour.ts';
import { openSpool } from '../queue/spool/spool.ts';
import { DataFiles } from '../repo/data-files.ts';
import { openRepo } from '../repo/file-repo.ts';
import { readSegments } from '../repo/journal-reader.ts';
import { openSchemaStore } from '../repo/schema-store.ts';
import { sequenceSettled } from '../repo/sequence-settled.case.ts';
import { EXIT } from './command.ts';
import { createTestIo } from './test-io.case.ts';
import { verify } from './verify.ts';

const HOUR: Hour = parseHour('2015-05-17T10') ?? 0;
let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'logforge-verify-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const at = (...parts: string[]): string => join(folder, ...parts);
const hourFile = () => at('logs', '2015-05-17', '10.log.json');
const line = (n: number): string =>
  `${JSON.stringify({ timestamp: hourToIso(HOUR), path: `/${n}`, userAgent: 'curl' })}\n`;

function open() {
  return openRepo({
    logsDir: at('logs'),
    dlqDir: at('dlq'),
    stateDir: at('state'),
    durability: 'os',
    idempotency: { windowMs: 1000, maxKeys: 10 },
    maxWaitMs: 5000,
    metrics: createMetrics({ defaultMetrics: false }),
    log: createTestLog(),
  });
}

/** Stores records and leaves the folders as a kill does: the journal still has an entry for each. */
async function store(count: number): Promise<void> {
  const repo = await open();
  for (let n = 0; n < count; n++)
    await repo.append([{ stream: 'access', hour: HOUR, count: 1, lines: Buffer.from(line(n)) }]);
  await sequenceSettled(at('logs'));
  fs.cpSync(folder, `${folder}-killed`, { recursive: true });
  await repo.close();
  fs.rmSync(folder, { recursive: true });
  fs.renameSync(`${folder}-killed`, folder);
}

const journal = () => at('state', fs.readdirSync(at('state')).find((name) => name.startsWith('journal-')) ?? '');

function change(path: string, position: number, bytes: number): void {
  fs.writeFileSync(path, fs.readFileSync(path).fill(7, position, position + bytes));
}

async function run(...args: string[]) {
  const { io, stdout, stderr } = createTestIo({ env: { LOGFORGE_LOGGING_FORMAT: 'json' } });
  const folders = ['logs', 'analytics', 'state', 'dlq'].flatMap((name) => [`--${name}-dir`, at(name)]);
  return { status: await verify.run([...folders, ...args], io), stdout: stdout(), stderr: stderr() };
}

const lines = () => fs.readFileSync(hourFile(), 'utf8');
const all = (count: number) => Array.from({ length: count }, (_, n) => line(n)).join('');

describe('logforge verify', () => {
  it('finds no damage where there is none, also after a kill, and changes nothing', async () => {
    await store(5);
    const before = fs.readFileSync(journal());
    const { status, stdout } = await run();
    expect(stdout).toMatch(/\nok +\S+10\.log\.json +5 lines\nno damage found\n$/);
    expect(status).toBe(EXIT.ok);
    expect(fs.readFileSync(journal())).toEqual(before);
  });

  it('finds a damaged journal, and mends it with --repair: every record stays', async () => {
    await store(9);
    change(journal(), 300, 40);
    const found = await run();
    expect(found.stdout).toMatch(
      /\nDAMAGED +\S+journal-\d+\.log +\d+ entries, 1 unreadable places, the first at byte \d+\n/,
    );
    expect([found.status, lines()]).toEqual([EXIT.failure, all(9)]);
    const mended = await run('--repair');
    expect(mended.stderr).toContain('the commit journal is damaged; records stay in their files');
    expect(mended.stdout).toContain(`what was damaged is listed in ${at('state', 'damaged', 'damage-1.ndjson')}\n`);
    expect(mended.stdout).toMatch(/no damage found\n$/);
    expect([mended.status, lines()]).toEqual([EXIT.ok, all(9)]);
    expect((await run()).status).toBe(EXIT.ok);
    const repo = await open();
    expect(await repo.damage()).toBeUndefined();
    await repo.close();
  });

  it('finds damage that a start has noted, until it is mended', async () => {
    await store(9);
    change(journal(), 300, 40);
    await (await open()).close();
    const { status, stdout } = await run();
    expect(stdout).toMatch(/\nDAMAGED +\S+journal-\d+\.log +noted \S+: the commit journal is damaged/);
    expect(status).toBe(EXIT.failure);
    expect((await run('--repair')).status).toBe(EXIT.ok);
  });

  it('finds a dead letter that is not JSON, and dead letters without an end', async () => {
    await store(2);
    const path = at('dlq', '2015-05-17.ndjson');
    fs.writeFileSync(path, '{"stage":"ingest"}\n');
    expect((await run()).stdout).toMatch(/\nok +\S+2015-05-17\.ndjson +1 lines\n/);
    fs.writeFileSync(path, '{"stage#:"ingest"}\n{"stage":"in');
    const { status, stdout } = await run();
    expect(stdout).toMatch(
      /\nDAMAGED +\S+2015-05-17\.ndjson +1 lines, 1 are not JSON objects, the last line has no end\n/,
    );
    expect(status).toBe(EXIT.failure);
  });

  it('finds a journal that lost its end, a damaged key file, lines that are not JSON, and a summary of another file', async () => {
    await store(9);
    fs.truncateSync(journal(), 400);
    fs.writeFileSync(at('state', 'keys-00000001.log'), Buffer.alloc(90, 7));
    fs.appendFileSync(hourFile(), 'junk\n{"half');
    fs.mkdirSync(at('analytics', '2015-05-17'), { recursive: true });
    fs.writeFileSync(at('analytics', '2015-05-17', 'summary_10.json'), 'junk');
    const { status, stdout } = await run();
    expect(stdout).toMatch(/\nDAMAGED +\S+\.logforge\.seq +the commit journal lost its newest \d entries\n/);
    expect(stdout).toMatch(/\nDAMAGED +\S+keys-00000001\.log +0 entries, 1 unreadable places/);
    expect(stdout).toMatch(
      /\nDAMAGED +\S+10\.log\.json +10 lines, 1 are not JSON objects, .*the last line has no end\n/,
    );
    expect(stdout).toMatch(/\nDAMAGED +\S+summary_10\.json +cannot be read: not JSON: \{ is missing\n/);
    expect(status).toBe(EXIT.failure);
    const mended = await run('--repair');
    expect(mended.stdout).toMatch(/\n2 of \d+ places are damaged\n$/);
    expect([mended.status, lines()]).toEqual([EXIT.failure, `${all(9)}junk\n`]);
  });

  it('checks the spool', async () => {
    await store(1);
    const metrics = createMetrics({ defaultMetrics: false });
    const spool = await openSpool({ dir: at('state'), maxBytes: 1_000_000, metrics, log: createTestLog() });
    for (let n = 0; n < 3; n++)
      await spool.enqueue([{ stream: 'access', hour: HOUR, count: 1, lines: Buffer.from(line(n)) }]);
    await spool.close();
    expect((await run()).stdout).toMatch(/\nok +\S+\.spool +3 entries\n/);
    change(at('state', 'spool', '0000000000000000.spool'), 60, 30);
    expect((await run()).stdout).toMatch(
      /\nDAMAGED +\S+\.spool +2 entries, 1 unreadable places, the first at byte 0\n/,
    );
  });

  it('checks the log of the schema registry and of the copy of another one, and mends them with --repair', async () => {
    await store(1);
    const log = createTestLog();
    const report = new DamageReport({ stateDir: at('state'), count: () => undefined, clock: Date.now, log });
    for (const name of ['schemas', 'remote-schemas-0123abcd']) {
      const schemas = await openSchemaStore({ dir: at('state'), name, report, log });
      for (const id of [1, 2, 3]) {
        const schema = { id, type: 'AVRO', schema: `"s${id}"`, references: [] } as const;
        await schemas.append([{ kind: 'version', subject: `s${id}`, version: 1, ...schema }]);
      }
      await schemas.close();
    }
    const sound = await run();
    expect([sound.status, sound.stdout.match(/\nok +\S+schemas-\S*\d{8}\.log +4 entries/g)?.length]).toEqual([
      EXIT.ok,
      2,
    ]);
    for (const file of ['schemas-00000001.log', 'remote-schemas-0123abcd-00000001.log']) {
      const bytes = fs.readFileSync(at('state', file));
      change(at('state', file), bytes.indexOf('s2'), 10);
    }
    const before = fs.readdirSync(at('state'));
    const found = await run();
    const rows = found.stdout.match(/\nDAMAGED +\S+schemas-\S*\d{8}\.log +3 entries, 1 unreadable places/g);
    expect([found.status, rows?.length]).toEqual([EXIT.failure, 2]);
    expect(fs.readdirSync(at('state'))).toEqual(before);
    const mended = await run('--repair');
    expect([mended.status, mended.stderr]).toEqual([EXIT.ok, expect.stringContaining('schemas may be lost')]);
    const again = await openSchemaStore({ dir: at('state'), report, log });
    expect(again.table.subjects()).toEqual(['s1', 's3']);
    await again.close();
  });

  it('begins a new generation of every hour with --restored', async () => {
    await store(2);
    for (const generation of [1, 2]) {
      expect((await run('--restored')).status).toBe(EXIT.ok);
      const dataFiles = new DataFiles({ logsDir: at('logs'), dlqDir: at('dlq') });
      const [segment] = await readSegments(at('state'), dataFiles);
      expect(segment?.entries[0]?.meta.generations).toEqual([
        [dataFiles.ofHour({ stream: 'access', hour: HOUR }), generation],
      ]);
    }
  });

  it('changes nothing while a service owns the folders', async () => {
    await store(2);
    const repo = await open();
    await expect(run('--repair')).rejects.toThrow(/another logforge process owns .*: stop the service first$/);
    await repo.close();
  });

  it('says which folder is missing', async () => {
    await expect(run()).rejects.toThrow(`cannot find the folder storage.logsDir=${at('logs')}`);
  });
});
