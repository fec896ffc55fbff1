import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Log } from '../../src/log.ts';
import { createRandom } from '../support/random.ts';
import { CrashFolder, copyLive, cutPower } from './crash-disk.ts';
import { type CrashFileSystem, createCrashFileSystem, type Fault } from './crash-file-system.ts';

/*
 * A history is a row of lives of one process on one disk. A life ends in an orderly stop, in a kill (the page cache stays) or in a
 * power cut (it does not), at any operation on the disk, also while it starts.
 */

export interface LifePlan<Step> {
  readonly steps: readonly Step[];
  /** In which operation it dies; 0: when its steps are done. */
  readonly dieAt: number;
  /** Whether it stops in an orderly way when it comes to its end. */
  readonly isClosed: boolean;
  readonly end: 'kill' | 'power cut';
  /** `times`: how many operations in a row have it. What mends a failed operation may fail too. */
  readonly faults: readonly { readonly at: number; readonly fault: Fault; readonly times: number }[];
  /** The chance in tenths that what was not synced is on the disk all the same. */
  readonly survival: { readonly names: number; readonly data: number };
  /** Of which operation ends next, and of what is left. */
  readonly seed: number;
}

export function lives<Step>(
  step: fc.Arbitrary<Step>,
  { maxSteps, maxLives }: { readonly maxSteps: number; readonly maxLives: number },
): fc.Arbitrary<LifePlan<Step>[]> {
  const tenths = fc.constantFrom(0, 5, 9, 10);
  const fault = fc.record({
    at: fc.integer({ min: 1, max: 120 }),
    fault: fc.constantFrom<Fault>('error', 'full', 'short'),
    times: fc.constantFrom(1, 1, 2, 4, 16),
  });
  const life = fc.record({
    steps: fc.array(step, { maxLength: maxSteps, size: 'max' }),
    dieAt: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 200 })),
    isClosed: fc.boolean(),
    end: fc.constantFrom<LifePlan<Step>['end']>('kill', 'power cut'),
    faults: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(fault, { maxLength: 4 }) },
    ),
    survival: fc.record({ names: tenths, data: tenths }),
    seed: fc.nat(),
  });
  return fc.array(life, { minLength: 1, maxLength: maxLives, size: 'max' });
}

/** What a part of a service does with its disk in one life. */
export interface Life {
  readonly root: string;
  readonly crash: CrashFileSystem;
  readonly log: Log;
  /** The errors that were logged. */
  readonly errors: readonly string[];
}

const SCRATCH = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/**
 * Runs the lives, each on what the one before left, and a last one to its orderly end. `run` gives whether the process was
 * stopped in an orderly way.
 */
export async function runLives<Step>(
  plans: readonly LifePlan<Step>[],
  run: (life: Life, plan: LifePlan<Step>) => Promise<'go on' | 'no more'>,
  describe: (step: Step) => string,
): Promise<void> {
  const scratch = fs.mkdtempSync(join(SCRATCH, 'logforge-disk-model-'));
  const last: LifePlan<Step> = {
    steps: [],
    dieAt: 0,
    isClosed: true,
    end: 'power cut',
    faults: [],
    survival: { names: 0, data: 0 },
    seed: 0,
  };
  let disk = new CrashFolder();
  const told: string[] = [];
  try {
    // Twice: what a start decides, the next one finds the same.
    for (const [number, plan] of [...plans, last, last].entries()) {
      const root = join(scratch, String(number));
      const before = plans[number - 1] ?? last;
      const random = createRandom(plan.seed);
      if (number === 0) fs.mkdirSync(root);
      else if (before.end === 'kill') {
        disk.forgetSyncs();
        copyLive(disk, root);
      } else {
        disk = cutPower(disk, root, createRandom(before.seed ^ 0x5eed), {
          names: before.survival.names / 10,
          data: before.survival.data / 10,
        });
      }
      told.push(`life ${number}: ${describeLife(plan, describe)}`);
      const crash = createCrashFileSystem({
        root,
        disk,
        random,
        dieAt: plan.dieAt,
        faults: faultsOf(plan),
        ...tracing(told),
      });
      const { log, errors } = createErrorLog(crash, told);
      const next = await run({ root, crash, log, errors }, plan);
      told.push(`  ended after ${crash.operations()} operations`);
      fs.rmSync(root, { recursive: true, force: true });
      if (next === 'no more') break;
    }
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`${reason}\n${told.join('\n')}`);
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

/** By the number of the operation. */
function faultsOf({ faults }: LifePlan<unknown>): ReadonlyMap<number, Fault> {
  return new Map(
    faults.flatMap(({ at, fault, times }) => Array.from({ length: times }, (_, index) => [at + index, fault] as const)),
  );
}

function tracing(told: string[]): { readonly trace?: (operation: string) => void } {
  return DISK_MODEL_TRACE === undefined ? {} : { trace: (operation) => void told.push(`    ${operation}`) };
}

function describeLife<Step>(plan: LifePlan<Step>, describe: (step: Step) => string): string {
  const { steps, dieAt, isClosed, end, faults, survival, seed } = plan;
  const parts = [
    ...faults.map(({ at, fault, times }) => `${fault} at operation ${at}${times > 1 ? `, ${times} in a row` : ''}`),
    dieAt > 0 ? `dies at operation ${dieAt}` : isClosed ? 'stops' : 'dies after its steps',
    end === 'kill' ? 'kill' : `power cut, survival names=${survival.names}/10 data=${survival.data}/10`,
    `seed ${seed}`,
  ];
  return [parts.join(', '), ...steps.map((step) => `  ${describe(step)}`)].join('\n');
}

function createErrorLog(crash: CrashFileSystem, told: string[]): { readonly log: Log; readonly errors: string[] } {
  const errors: string[] = [];
  const note = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
    if (crash.isDead()) return;
    if (level === 'error' || level === 'fatal') errors.push(message);
    const cause = fields?.err;
    told.push(`    log ${level}: ${message}${cause instanceof Error ? `: ${cause.message}` : ''}`);
  };
  const log: Log = {
    trace: () => undefined,
    debug: () => undefined,
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
    fatal: note('fatal'),
    child: () => log,
  };
  return { log, errors };
}

/*
 * DISK_MODEL_HISTORIES: how many. FUZZ_MINUTES: as many as fit in that time instead, other ones in every run. DISK_MODEL_SEED and
 * DISK_MODEL_PATH, which a failure tells: that one history again. DISK_MODEL_TRACE: it is told with each operation on the disk.
 */
const { DISK_MODEL_TRACE, DISK_MODEL_NO_SHRINK, DISK_MODEL_HISTORIES, DISK_MODEL_SEED, DISK_MODEL_PATH, FUZZ_MINUTES } =
  process.env;
const MINUTES = Number(FUZZ_MINUTES ?? 0);
export const DISK_MODEL_TIMEOUT = MINUTES > 0 ? MINUTES * 60_000 + 120_000 : 3_600_000;

/** Checks `histories` of them, or what the environment says. The seed of the everyday run is fixed. */
export async function checkHistories<History>(
  arbitrary: fc.Arbitrary<History>,
  run: (history: History) => Promise<void>,
  histories: number,
): Promise<void> {
  await fc.assert(fc.asyncProperty(arbitrary, run), {
    numRuns: MINUTES > 0 ? Number.MAX_SAFE_INTEGER : Number(DISK_MODEL_HISTORIES ?? histories),
    ...(MINUTES > 0 && { interruptAfterTimeLimit: MINUTES * 60_000 }),
    // For a check of the model itself: only whether it fails.
    ...(DISK_MODEL_NO_SHRINK !== undefined && { endOnFailure: true }),
    ...((MINUTES === 0 || DISK_MODEL_SEED !== undefined) && { seed: Number(DISK_MODEL_SEED ?? 20_251_122) }),
    ...(DISK_MODEL_PATH !== undefined && { path: DISK_MODEL_PATH, endOnFailure: DISK_MODEL_NO_SHRINK !== undefined }),
  });
}
