import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { guardAllocations } from './allocations.ts';
import { DISK_MODEL, fuzzDiskModel } from './disk-model.ts';
import { checkInput, describeFault, fuzzTarget, keepInput, simplify } from './engine.ts';
import type { FuzzTarget } from './fuzz.ts';
import { TARGETS } from './targets.ts';
import { createWatchdog } from './watchdog.ts';

/*
 * `make fuzz`: every target in slices of time, in turn, and at the end the model of the disk, until MINUTES are over.
 *
 *   ONLY    names of targets, separated by commas; all when empty. disk-model: the model of the disk
 *   SEED    the first seed; each slice takes the next one
 *   REPLAY  an input in a folder that is named for its target: checks it and nothing else
 */
const { MINUTES = '5', ONLY = '', SEED = '', REPLAY = '' } = process.env;
const SLICE_MS = 20_000;
const HANG_MS = 60_000;
const HANGING_INPUT = '/tmp/logforge-fuzz-hanging';

process.exitCode = await (REPLAY === '' ? fuzzAll() : replay(REPLAY));

async function replay(path: string): Promise<number> {
  const name = basename(dirname(path));
  const target = TARGETS.find((one) => one.name === name);
  if (target === undefined) {
    console.error(
      `cannot replay ${path}: its folder names no target; targets: ${TARGETS.map((one) => one.name).join(', ')}`,
    );
    return 2;
  }
  const input = readFileSync(path);
  const error = await checkInput(target, input);
  await target.close?.();
  console.log(
    error === undefined ? `${path}: no fault` : describeFault({ target: name, seed: 0, run: 0, input, error }),
  );
  return error === undefined ? 0 : 1;
}

async function fuzzAll(): Promise<number> {
  const wanted = ONLY.split(',').filter((name) => name !== '');
  const names = [...TARGETS.map(({ name }) => name), DISK_MODEL];
  const unknown = wanted.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    console.error(`unknown target ${unknown.join(', ')}; targets: ${names.join(', ')}`);
    return 2;
  }
  const targets = TARGETS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  const first = SEED === '' ? Math.floor(Math.random() * 2 ** 31) : Number(SEED);
  const begun = performance.now();
  const hasModel = wanted.length === 0 || wanted.includes(DISK_MODEL);
  const minutes = Number(MINUTES) / (targets.length + (hasModel ? 1 : 0));
  const end = begun + minutes * targets.length * 60_000;
  const slice = Math.min(SLICE_MS, (end - begun) / targets.length);
  const totals = new Map(targets.map(({ name }) => [name, { runs: 0, faults: 0 }]));
  const failed = new Set<FuzzTarget>();
  guardAllocations();
  const watchdog = createWatchdog({ hangMs: HANG_MS, path: HANGING_INPUT });
  console.log(`seed ${first}`);
  for (let seed = first; performance.now() < end && failed.size < targets.length; seed++) {
    for (const target of targets) {
      if (performance.now() >= end || failed.has(target)) continue;
      const until = Math.min(end, performance.now() + slice);
      const { runs, fault } = await fuzzTarget({ target, seed, until, watchdog });
      const total = totals.get(target.name);
      if (total !== undefined) total.runs += runs;
      if (fault === undefined) continue;
      // One fault hides others of its target, so it comes no more in this run.
      failed.add(target);
      if (total !== undefined) total.faults++;
      const smallest = await simplify(target, fault);
      console.log(`\n${describeFault(smallest)}\nkept as ${keepInput(target.name, smallest.input)}\n`);
    }
  }
  await watchdog.close();
  for (const target of targets) await target.close?.();
  for (const [name, { runs, faults }] of totals)
    console.log(`${name.padEnd(12)} ${String(runs).padStart(9)} runs  ${faults} faults`);
  const failedModels = hasModel ? await fuzzDiskModel({ minutes, seed: first }) : 0;
  console.log(`seed ${first}, ${Math.round((performance.now() - begun) / 1_000)} s`);
  return failed.size + failedModels === 0 ? 0 : 1;
}
