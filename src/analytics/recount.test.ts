import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Log } from '../log.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { type Hour, hourToIso, hourToPath, MAX_HOUR, parseHour } from '../model/hour.ts';
import { ACCESS_STREAM, type Stream } from '../model/stream.ts';
import { at, countsOf } from '../model/summary.case.ts';
import type { DimensionNote } from '../model/summary.ts';
import { createDimensionNotes } from '../repo/dimension-notes.ts';
import { damagedRange, listHours, openHour } from '../repo/hour-file.ts';
import type { HourDamage } from '../repo/repo.ts';
import { createSummaryFiles, type SummaryFiles } from '../repo/summaries.ts';
import { createRecount, type Recount } from './recount.ts';
import { createHourSummariser } from './summarise-hour.ts';
import type { SummariserThread } from './summarise-thread.ts';

const FIRST: Hour = parseHour('2025-11-22T10') ?? 0;
const HOURS = 40;
const by = (...countBy: string[]): Stream => ({ name: 'tasks', required: ['task'], countBy });

let folder: string;
let summaries: SummaryFiles;
let calls: Hour[];
let logged: string[];
let metrics: ReturnType<typeof createMetrics>;
const notes = () => createDimensionNotes({ analyticsDir: join(folder, 'analytics'), durable: false });

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'logforge-recount-'));
  summaries = createSummaryFiles({ analyticsDir: join(folder, 'analytics'), durability: 'os' });
  calls = [];
  logged = [];
  metrics = createMetrics({ defaultMetrics: false });
  for (let hour = FIRST; hour < FIRST + HOURS; hour++) {
    fs.mkdirSync(dirname(pathOf(hour)), { recursive: true });
    fs.writeFileSync(pathOf(hour), `{"timestamp":"${hourToIso(hour)}","task":"t","user":"u"}\n`);
  }
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

function pathOf(hour: Hour): string {
  const { day, hh } = hourToPath(hour);
  return join(folder, 'logs', 'tasks', day, `${hh}.log.json`);
}

/** A process that runs with this configuration. `fails`: the hours that cannot be summarised. */
function start(stream: Stream, { fails = new Set<Hour>(), damage = [] as HourDamage[] } = {}): Recount {
  const summarise = createHourSummariser({ openHour, damagedRange, summaries, streams: [stream] });
  const thread: SummariserThread = {
    async summarise(committed) {
      calls.push(committed.hour);
      if (fails.has(committed.hour)) throw new Error('EIO');
      return { ...summarise(committed), damage };
    },
    stop: async () => {},
  };
  const found = notes();
  const log = (message: string) => void logged.push(message);
  return createRecount({
    streams: [ACCESS_STREAM, stream],
    repo: {
      async committedHour({ hour }) {
        const stat = fs.statSync(pathOf(hour), { throwIfNoEntry: false });
        return stat && { ...at(hour, 'tasks'), path: pathOf(hour), bytes: stat.size };
      },
      async reportDamage({ hour }, { reason }) {
        logged.push(`${hour}: ${reason}`);
      },
    },
    thread,
    notes: {
      read: found.read,
      write: async (name, note) => found.write(name, note),
    },
    listHours: (name) => listHours(join(folder, 'logs'), name),
    metrics,
    log: { info: log, warn: log, error: log } as unknown as Log,
  });
}

/** Runs to the end, or as many steps as a process lives. */
async function run(recount: Recount, steps = Infinity): Promise<void> {
  await recount.prepare(new Set(), () => false);
  for (let step = 0; step < steps; step++) if (!(await recount.step(() => false))) return;
}

const dimensionsOf = (hour: Hour) =>
  summaries
    .read(at(hour, 'tasks'))
    ?.dimensions.map(({ name }) => name)
    .join();
const allDimensions = () => Array.from({ length: HOURS }, (_, i) => dimensionsOf(FIRST + i));
const hoursLeft = async () =>
  (await metrics.recountHours.get()).values.find(({ labels }) => labels.stream === 'tasks')?.value;
const all = (dimensions: string) => Array(HOURS).fill(dimensions);

describe('hours of a stream whose dimensions changed', () => {
  it('tell of what cannot be read in them', async () => {
    await run(start(by('task'), { damage: [{ offset: 0, bytes: 1, position: 40, reason: 'bad checksum' }] }));
    expect(logged.filter((line) => line.endsWith(': bad checksum'))).toHaveLength(HOURS);
  });

  it('are summarised again, the newest first; without a change nothing is read', async () => {
    await run(start(by('task')));
    expect(allDimensions()).toEqual(all('task'));
    calls = [];
    await run(start(by('task')));
    expect([calls, logged]).toEqual([[], ['hours were summarised again by new dimensions']]);
    await run(start(by('user', 'task')));
    expect(calls).toEqual(Array.from({ length: HOURS }, (_, i) => FIRST + HOURS - 1 - i));
    expect([allDimensions(), await hoursLeft()]).toEqual([all('user,task'), 0]);
    expect(countsOf(summaries.read(at(FIRST, 'tasks')), 'user')).toEqual({ u: 1 });
    expect(await notes().read('tasks')).toEqual({ countBy: ['user', 'task'] });
    calls = [];
    await run(start(by('user', 'task')));
    expect(calls).toEqual([]);
  });

  it('keep their summary where their records are gone', async () => {
    await run(start(by('task')));
    for (const hour of [FIRST, FIRST + 7]) fs.rmSync(pathOf(hour));
    await run(start(by('user')));
    const expected = all('user');
    expected[0] = 'task';
    expected[7] = 'task';
    expect(allDimensions()).toEqual(expected);
  });

  it('are all done though the process is killed at any step, and few of them twice', async () => {
    for (let steps = 0; steps <= HOURS + 2; steps += 3) {
      await run(start(by('task')));
      calls = [];
      await run(start(by('user')), steps);
      await run(start(by('user')));
      expect(allDimensions()).toEqual(all('user'));
      expect(calls.length).toBeLessThanOrEqual(HOURS + 16);
    }
  });

  it('are right after a change that was taken back half way', async () => {
    await run(start(by('task')));
    await run(start(by('user')), 20);
    expect(await hoursLeft()).toBe(HOURS - 19);
    expect(new Set(allDimensions())).toEqual(new Set(['task', 'user']));
    await run(start(by('task')));
    expect(allDimensions()).toEqual(all('task'));
  });

  it('leaves a stream alone that has none, until it grows', async () => {
    fs.rmSync(join(folder, 'logs'), { recursive: true });
    const recount = start(by('task'));
    expect([...(await recount.prepare(new Set(), () => false))]).toEqual(['access']);
    expect(fs.existsSync(join(folder, 'analytics'))).toBe(false);
    expect([...(await recount.prepare(new Set(['tasks']), () => false))]).toEqual(['access', 'tasks']);
    expect(await notes().read('tasks')).toMatchObject({ countBy: ['task'] });
  });

  it('are noted before the first summary by new dimensions is written', async () => {
    await run(start(by('task')));
    const ready = await start(by('user')).prepare(new Set(), () => false);
    expect([...ready]).toEqual(['access', 'tasks']);
    expect(await notes().read('tasks')).toEqual({ countBy: ['user'], upTo: MAX_HOUR });
  });

  it('are tried again by the next start where one failed, and the others are done', async () => {
    await run(start(by('task')));
    const failing = FIRST + HOURS - 3;
    await run(start(by('user'), { fails: new Set([failing]) }));
    expect(allDimensions().filter((dimensions) => dimensions !== 'user')).toEqual(['task']);
    expect(await hoursLeft()).toBe(1);
    expect(logged).toContain('some hours keep a summary by other dimensions; the next start tries them again');
    await run(start(by('user')));
    expect(allDimensions()).toEqual(all('user'));
  });

  it.each([
    '',
    '[]',
    '{}',
    '{"countBy":"user"}',
    '{"countBy":["user"],"upTo":"yesterday"}',
    '{"countBy":["user"]',
  ])('are looked at one by one where the note is %j', async (text) => {
    await run(start(by('task')));
    fs.writeFileSync(join(folder, 'analytics', 'tasks', '.dimensions.json'), text);
    await run(start(by('user')));
    expect(allDimensions()).toEqual(all('user'));
  });

  it('are not summarised while their dimensions cannot be noted', async () => {
    await run(start(by('task')));
    const path = join(folder, 'analytics', 'tasks', '.dimensions.json');
    const note = fs.readFileSync(path);
    fs.rmSync(path);
    fs.mkdirSync(path);
    const recount = start(by('user'));
    expect([...(await recount.prepare(new Set(), () => false))]).toEqual(['access']);
    expect(await recount.step(() => false)).toBe(false);
    fs.rmdirSync(path);
    fs.writeFileSync(path, note);
    await run(recount);
    expect(allDimensions()).toEqual(all('user'));
  });
});

it('says nothing of what a stop keeps it from noting', async () => {
  fs.rmSync(join(folder, 'analytics'), { recursive: true, force: true });
  fs.writeFileSync(join(folder, 'analytics'), '');
  let isStopped = false;
  const stopping = start(by('task')).prepare(new Set(['tasks']), () => isStopped);
  isStopped = true;
  expect([...(await stopping), ...logged]).toEqual(['access']);
  await start(by('task')).prepare(new Set(['tasks']), () => false);
  expect(logged).toEqual(['cannot note the dimensions of a stream; its hours are not summarised now']);
});

describe('notes of dimensions', () => {
  it.each<DimensionNote>([
    { countBy: [] },
    { countBy: ['a', 'b"c'], upTo: FIRST },
  ])('are read as they were written: %j', async (note) => {
    for (const durable of [true, false]) {
      const files = createDimensionNotes({ analyticsDir: join(folder, 'elsewhere'), durable });
      files.write('tasks', note);
      expect(await files.read('tasks')).toEqual(note);
      expect(await files.read('others')).toBeUndefined();
    }
  });
});
