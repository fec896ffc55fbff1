import * as fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { vi } from 'vitest';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { DataFiles } from '../../src/repo/data-files.ts';
import { openRepo } from '../../src/repo/file-repo.ts';
import { createHoursOnDisk } from '../../src/repo/hours-on-disk.ts';
import { readSegments } from '../../src/repo/journal-reader.ts';
import type { Repo } from '../../src/repo/repo.ts';
import type { WaitingLimits } from '../../src/repo/waiting-lines.ts';
import { type Life, type LifePlan, lives, runLives } from './lives.ts';
import { type BatchPlan, FIRST_HOUR, MODEL_STREAMS, StoreLedger } from './store-ledger.ts';

/** Histories of the store (src/repo), and what must be true after each start. */

export type StoreStep =
  /** All at once. */
  | { readonly kind: 'append'; readonly batches: readonly BatchPlan[] }
  | { readonly kind: 'turns'; readonly turns: number }
  | { readonly kind: 'settle' }
  | { readonly kind: 'wait'; readonly ms: number }
  /** The next removals of files fail, so that several journal segments are retired at once later. */
  | { readonly kind: 'refuse removals'; readonly times: number }
  | { readonly kind: 'summarise' }
  /** Makes a compressed hour of a plain one, while later steps run. */
  | { readonly kind: 'compress'; readonly hour: number; readonly stream: string }
  /** Retention removes an hour with those before it, and deletes the file of the hour. The hour counts from the first of the history. */
  | { readonly kind: 'remove'; readonly stream: string; readonly hour: number };

export interface StoreHistory {
  readonly durability: 'disk' | 'os';
  readonly inlineBytes: number;
  readonly segmentBytes: number;
  readonly syncEveryBytes: number;
  readonly maxOpenFiles: number;
  /** `by life`: it changes with each start. `by stream`: access is plain, the others are compressed. */
  readonly compression: 'none' | 'zstd' | 'by life' | 'by stream';
  readonly waiting: WaitingLimits;
  readonly lives: readonly LifePlan<StoreStep>[];
}

const HOUR_MS = 3_600_000;
const WINDOW_MS = 6 * HOUR_MS;

const batchPlan: fc.Arbitrary<BatchPlan> = fc.record({
  hours: fc.oneof(
    { weight: 80, arbitrary: fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 4 }) },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 65, max: 80 }).map((count) => Array.from({ length: count }, (_, hour) => hour)),
    },
  ),
  streams: fc.oneof(
    { weight: 1, arbitrary: fc.constant(['access']) },
    { weight: 1, arbitrary: fc.subarray([...MODEL_STREAMS], { minLength: 1 }) },
  ),
  records: fc.integer({ min: 1, max: 5 }),
  size: fc.oneof(fc.nat({ max: 60 }), fc.nat({ max: 3_000 })),
  key: fc.constantFrom<BatchPlan['key']>('none', 'counts', 'long answer'),
  hasOffset: fc.boolean(),
  hasLetter: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

const step: fc.Arbitrary<StoreStep> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      batches: fc.array(batchPlan, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('turns' as const), turns: fc.integer({ min: 1, max: 12 }) }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: 'settle' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(60, 60_000, 2 * HOUR_MS) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'summarise' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('compress' as const),
      hour: fc.nat({ max: 5 }),
      stream: fc.constantFrom(...MODEL_STREAMS),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('remove' as const),
      stream: fc.constantFrom(...MODEL_STREAMS),
      hour: fc.nat({ max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('refuse removals' as const),
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
);

export const storeHistory: fc.Arbitrary<StoreHistory> = fc.record({
  durability: fc.oneof(
    { weight: 7, arbitrary: fc.constant('disk' as const) },
    { weight: 1, arbitrary: fc.constant('os' as const) },
  ),
  inlineBytes: fc.constantFrom(0, 1_000, 256 * 1024),
  segmentBytes: fc.constantFrom(1, 2_000, 20_000, 64 * 1024 * 1024),
  syncEveryBytes: fc.constantFrom(1, 2_000, 4 * 1024 * 1024),
  maxOpenFiles: fc.constantFrom(1, 3, 512),
  compression: fc.constantFrom('none', 'zstd', 'zstd', 'by life', 'by stream'),
  waiting: fc.record({
    hourBytes: fc.constantFrom(1, 4_000, 256 * 1024),
    allBytes: fc.constantFrom(1, 10_000, 32 * 1024 * 1024),
    ms: fc.constantFrom(50, 10_000),
  }),
  lives: lives(step, { maxSteps: 8, maxLives: 5 }),
});

const metrics = createMetrics({ defaultMetrics: false });

/** Throws when a promise of the store is broken. */
export async function runStoreHistory(history: StoreHistory): Promise<void> {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  const ledger = new StoreLedger({ windowMs: WINDOW_MS });
  const time = { now: Date.UTC(2025, 10, 22, 10) };
  try {
    await runLives(history.lives, (life, plan) => runLife({ history, life, plan, ledger, time }), describeStep);
  } catch (error) {
    const { lives: _, ...options } = history;
    throw new Error(`${error instanceof Error ? error.message : error}\n${JSON.stringify(options)}`);
  } finally {
    vi.useRealTimers();
  }
}

interface LifeParts {
  readonly history: StoreHistory;
  readonly life: Life;
  readonly plan: LifePlan<StoreStep>;
  readonly ledger: StoreLedger;
  readonly time: { now: number };
}

async function runLife(parts: LifeParts): Promise<'go on' | 'no more'> {
  const { history, life, plan, ledger } = parts;
  const { crash } = life;
  const repo = await open(parts);
  if (repo !== undefined) {
    if (ledger.isVoid) return serves(parts, repo);
    if (!crash.isDead() && !crash.hadFault()) await check(parts, repo);
    const waiting: Promise<void>[] = [];
    for (const each of plan.steps) {
      if (crash.isDead()) break;
      await runStep(each, parts, repo, waiting);
    }
    await end(parts, repo);
    await Promise.all(waiting);
  }
  crash.die();
  await crash.quiet();
  if (history.durability === 'os' && plan.end === 'power cut') ledger.isVoid = true;
  return 'go on';
}

/** After a power cut, `os` promises nothing of what was stored. But the service starts and stores. */
async function serves({ life, ledger, time }: LifeParts, repo: Repo): Promise<'go on' | 'no more'> {
  const plan = { hours: [90, 100], records: 1, size: 10, key: 'none', hasOffset: false, hasLetter: false } as const;
  const { batch, note } = ledger.send(plan, time.now);
  const { crash } = life;
  try {
    await repo.append(batch, note);
    await repo.close();
    return 'no more';
  } catch (error) {
    if (!crash.isDead() && !crash.hadFault()) throw error;
    crash.die();
    await repo.close().catch(() => undefined);
    return 'go on';
  }
}

async function open({ history, life, plan, time }: LifeParts): Promise<Repo | undefined> {
  const { root, crash, log } = life;
  const { durability, segmentBytes, syncEveryBytes, maxOpenFiles, inlineBytes, compression, waiting } = history;
  const isOddLife = history.lives.indexOf(plan) % 2 === 1;
  try {
    return await openRepo({
      ...foldersOf(root),
      stateDir: join(root, 'state'),
      durability,
      segmentBytes,
      syncEveryBytes,
      maxOpenFiles,
      waiting,
      compressionOf(stream) {
        const isCompressed = { none: false, zstd: true, 'by life': isOddLife, 'by stream': stream !== 'access' };
        return isCompressed[compression] ? 'zstd' : 'none';
      },
      inline: { bytes: inlineBytes, bytesPerFile: 0 },
      idempotency: { windowMs: WINDOW_MS, maxKeys: 10_000 },
      maxWaitMs: 60_000,
      metrics,
      log,
      clock: () => time.now,
      files: crash.files,
    });
  } catch (error) {
    if (crash.isDead()) return undefined;
    throw error;
  }
}

const foldersOf = (root: string) => ({ logsDir: join(root, 'logs'), dlqDir: join(root, 'dlq') });

async function check({ life, ledger, time, history }: LifeParts, repo: Repo): Promise<void> {
  const { root, errors } = life;
  const folders = foldersOf(root);
  const stateDir = join(root, 'state');
  const damage = await repo.damage();
  if (damage !== undefined) throw new Error(`damage was reported after a plain crash: ${damage}`);
  if (errors.length > 0) throw new Error(`errors were logged after a plain crash: ${errors.join('; ')}`);
  ledger.check(repo, folders, time.now);
  const segments = await readSegments(stateDir, new DataFiles(folders));
  if (segments.length !== 1) throw new Error(`the start left ${segments.length} journal segments`);
  if (history.durability === 'disk') ledger.checkSequence(segments[0]?.entries.at(-1)?.meta.seq ?? -1);
  const names = fs.readdirSync(stateDir);
  const keyFiles = names.filter((name) => name.startsWith('keys-'));
  // A start that dies after it has saved the keys of the journal saves them once more the next time.
  const mostKeyFiles = ledger.keysInWindow(time.now) + history.lives.length + 1;
  if (keyFiles.length > mostKeyFiles)
    throw new Error(`${keyFiles.length} key files, at most ${mostKeyFiles} are needed`);
  for (const name of names.filter((each) => each.startsWith('answers-'))) {
    if (!names.includes(name.replace('answers', 'keys'))) throw new Error(`${name} belongs to no key file`);
  }
}

async function runStep(each: StoreStep, parts: LifeParts, repo: Repo, waiting: Promise<void>[]): Promise<void> {
  const { life, ledger, time } = parts;
  const { crash } = life;
  switch (each.kind) {
    case 'append':
      for (const plan of each.batches) {
        const sent = ledger.send(plan, time.now);
        const done = repo.append(sent.batch, sent.note).then(
          () => {
            if (!crash.isDead()) ledger.acknowledged(sent);
          },
          () => {
            sent.fate = crash.isDead() ? 'unknown' : 'refused';
          },
        );
        waiting.push(done);
      }
      return;
    case 'turns':
      for (let turn = 0; turn < each.turns; turn++) await new Promise((done) => setImmediate(done));
      return;
    case 'settle':
      await Promise.all(waiting);
      await crash.quiet();
      return;
    case 'wait':
      time.now += each.ms;
      vi.advanceTimersByTime(Math.min(each.ms, 1_000));
      return;
    case 'summarise':
      ledger.summarise(repo);
      return;
    case 'compress':
      waiting.push(compress(each, parts, repo));
      return;
    case 'refuse removals':
      crash.refuseRemovals(each.times);
      return;
    case 'remove':
      waiting.push(remove(each, parts, repo));
      return;
  }
}

async function remove(
  { stream, hour }: StoreStep & { readonly kind: 'remove' },
  { life: { root, crash }, ledger }: LifeParts,
  repo: Repo,
): Promise<void> {
  const at = ledger.beginRemoval(stream, hour);
  const { between } = repo.retention;
  const files = createHoursOnDisk({
    ...foldersOf(root),
    files: crash.files,
    analyticsDir: root,
    between,
    stepBytes: 50,
  });
  try {
    await repo.retention.removeHours(at);
    if (!crash.isDead()) ledger.removed(at);
    await files.delete(at);
    await files.removeEmptyDays(stream, at.hour + 1);
  } catch (error) {
    // The repo may be closing.
    if (!crash.isDead() && !crash.hadFault() && !String(error).includes('closing')) throw error;
  }
}

/** One call at a time, which the store asks for. */
let compressing: Promise<unknown> = Promise.resolve();

function compress(
  { hour, stream }: { readonly hour: number; readonly stream: string },
  { life: { crash } }: LifeParts,
  repo: Repo,
): Promise<void> {
  const at = { stream, hour: FIRST_HOUR + hour };
  const done = compressing
    .then(() => repo.compaction.clean(at))
    .then(() => repo.compaction.compress(at, new AbortController().signal))
    .then(
      () => undefined,
      (error: unknown) => {
        const isClosing = error instanceof Error && error.message === 'storage is closing';
        if (!isClosing && !crash.isDead() && !crash.hadFault()) throw error;
      },
    );
  compressing = done.catch(() => undefined);
  return done;
}

async function end({ life, plan, ledger }: LifeParts, repo: Repo): Promise<void> {
  const { crash } = life;
  if (!plan.isClosed) crash.die();
  try {
    await repo.close();
  } catch (error) {
    if (!crash.isDead() && !crash.hadFault()) throw error;
    return;
  }
  if (!crash.isDead() && !crash.hadFault()) ledger.stoppedInOrder();
}

function describeStep(each: StoreStep): string {
  switch (each.kind) {
    case 'append':
      return `append ${each.batches.map(describeBatch).join(' | ')}`;
    case 'turns':
      return `${each.turns} turns of the event loop`;
    case 'wait':
      return `wait ${each.ms} ms`;
    case 'refuse removals':
      return `${each.kind}: ${each.times}`;
    case 'compress':
      return `compress hour=${each.hour} stream=${each.stream}`;
    case 'remove':
      return `remove ${each.stream} up to hour ${each.hour}`;
    case 'settle':
    case 'summarise':
      return each.kind;
  }
}

function describeBatch({ hours, streams = ['access'], records, size, key, hasOffset, hasLetter }: BatchPlan): string {
  const extras = [key === 'none' ? '' : `key with ${key}`, hasOffset ? 'offset' : '', hasLetter ? 'dead letter' : ''];
  return [
    `hours=${[...new Set(hours)].join(',')} streams=${streams.join(',')} ${records}x${size}`,
    ...extras.filter((text) => text !== ''),
  ].join(' + ');
}
