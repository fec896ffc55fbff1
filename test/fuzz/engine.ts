import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRandom } from '../support/random.ts';
import type { Fault, FuzzTarget } from './fuzz.ts';
import { mutateBytes, withoutPieces } from './mutate.ts';
import type { Watchdog } from './watchdog.ts';

const FOLDER = join(import.meta.dirname, '../../testdata/fuzz');
/** Checks that the search for the smallest input may make. */
const MAX_SIMPLER = 3_000;
const MAX_SIMPLER_MS = 60_000;
/** A check of the few KiB of an input that takes this long is a fault: on a busy machine it takes some milliseconds. */
export const SLOW_MS = 20_000;

export interface FuzzRun {
  readonly target: FuzzTarget;
  readonly seed: number;
  /** Stops after so many runs. */
  readonly runs?: number;
  /** Stops at this time, by `performance.now()`. */
  readonly until?: number;
  readonly watchdog?: Watchdog;
}

/** The kept inputs of a target, by file name. */
export function keptInputs(name: string): ReadonlyMap<string, Buffer> {
  const folder = join(FOLDER, name);
  const names = existsSync(folder) ? readdirSync(folder).sort() : [];
  return new Map(names.map((file) => [file, readFileSync(join(folder, file))]));
}

/** Keeps an input as a test. Gives its path. */
export function keepInput(name: string, input: Buffer): string {
  const folder = join(FOLDER, name);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `found-${createHash('sha256').update(input).digest('hex').slice(0, 10)}`);
  writeFileSync(path, input);
  return path;
}

/** The input of one run: it depends on the seed, the number of the run and the kept inputs, and on nothing else. */
export function inputOf({ target, seed }: FuzzRun, run: number, kept: readonly Buffer[]): Buffer {
  const random = createRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(run + 1, 0x85ebca6b));
  const base = kept.length > 0 && random.chance(0.2) ? random.pick(kept) : target.make(random);
  if (random.chance(0.3)) return base;
  return target.mutate?.(base, random) ?? mutateBytes(base, random, kept);
}

/** Checks one input; gives what is wrong. */
export async function checkInput(target: FuzzTarget, input: Buffer): Promise<unknown> {
  const begun = performance.now();
  try {
    // A copy: a reader may write in its input.
    await target.check(Buffer.from(input));
  } catch (error) {
    return error ?? new Error('nothing was thrown');
  }
  const took = performance.now() - begun;
  return took > SLOW_MS && (target.atOnce ?? 1) === 1 ? new Error(`the check took ${Math.round(took)} ms`) : undefined;
}

/** Runs a target to its end, or to the first fault. */
export async function fuzzTarget(run: FuzzRun): Promise<{ readonly runs: number; readonly fault: Fault | undefined }> {
  const { target, seed, runs = Number.POSITIVE_INFINITY, until = Number.POSITIVE_INFINITY, watchdog } = run;
  const kept = [...keptInputs(target.name).values()];
  let next = 0;
  let fault: Fault | undefined;
  const work = async (): Promise<void> => {
    while (fault === undefined && next < runs && performance.now() < until) {
      const number = next++;
      const input = inputOf(run, number, kept);
      watchdog?.begin(target.name, input);
      const error = await checkInput(target, input);
      if (error !== undefined) fault ??= { target: target.name, seed, run: number, input, error };
      // Without I/O, a check takes no turn of the event loop by itself.
      if (number % 64 === 0) await new Promise(setImmediate);
    }
  };
  await Promise.all(Array.from({ length: target.atOnce ?? 1 }, work));
  return { runs: next, fault };
}

/** The simplest input that still fails, as far as a limited search finds it. */
export async function simplify(target: FuzzTarget, fault: Fault): Promise<Fault> {
  const until = performance.now() + MAX_SIMPLER_MS;
  let best = fault;
  for (let tries = 0, isBetter = true; isBetter; ) {
    isBetter = false;
    for (const input of target.simpler?.(best.input) ?? withoutPieces(best.input)) {
      if (++tries > MAX_SIMPLER || performance.now() > until) return best;
      const error = await checkInput(target, input);
      if (error === undefined) continue;
      best = { ...best, input, error };
      isBetter = true;
      break;
    }
  }
  return best;
}

export function describeFault({ target, seed, run, input, error }: Fault): string {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `${target}: seed ${seed}, run ${run}, ${input.length} bytes\n${what}\ninput: ${JSON.stringify(input.toString('latin1').slice(0, 4_000))}`;
}
