import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createRandom, type Random } from '../../../test/support/random.ts';
import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { lookAt } from './identity.ts';

/*
 * A log is written and rotated in all ways in turn, in steps, and the folder is looked at between any two of them, by runs that end and begin.
 * What is read is what a reader would read: from the known offset to the end. Each line must be read once.
 */
const STEPS = 120;

class Rotated {
  readonly #folder: string;
  readonly #random: Random;
  #written = 0;
  /** What is left of the rotation under way. */
  #todo: (() => void)[] = [];

  constructor(folder: string, random: Random) {
    this.#folder = folder;
    this.#random = random;
  }

  get lines(): number {
    return this.#written;
  }

  step(): void {
    const next = this.#todo.shift();
    if (next !== undefined) next();
    else if (this.#random.chance(2 / 3)) this.#write(this.#random.int(1, 40));
    else this.#todo = this.#rotation();
  }

  #at(name: string): string {
    return join(this.#folder, name);
  }

  #write(count: number): void {
    for (let n = 0; n < count; n++)
      appendFileSync(this.#at('access.log'), `line ${this.#written++} ${'x'.repeat(60)}\n`);
  }

  #rotation(): (() => void)[] {
    const log = this.#at('access.log');
    if (!existsSync(log) || readFileSync(log).length === 0) return [];
    const older = readdirSync(this.#folder)
      .map((name) => ({ name, number: Number(name.split('.')[2]), packed: name.endsWith('.gz') }))
      .filter(({ number }) => number > 0)
      .sort((a, b) => b.number - a.number);
    const shift = older.map(({ name, number, packed }) => () => {
      renameSync(this.#at(name), this.#at(`access.log.${number + 1}${packed ? '.gz' : ''}`));
    });
    const one = this.#at('access.log.1');
    const move = this.#random.chance(1 / 2)
      ? [() => renameSync(log, one), () => writeFileSync(log, '')]
      : this.#copyAndTruncate(log, one);
    return [...shift, ...move, ...(this.#random.chance(1 / 2) ? this.#compress(one) : [])];
  }

  #copyAndTruncate(log: string, copy: string): (() => void)[] {
    return [
      () => writeFileSync(copy, readFileSync(log).subarray(0, 1_500)),
      () => copyFileSync(log, copy),
      () => truncateSync(log),
    ];
  }

  #compress(path: string): (() => void)[] {
    const packed = `${path}.gz`;
    return [
      () => writeFileSync(packed, gzipSync(readFileSync(path)).subarray(0, 60)),
      () => writeFileSync(packed, gzipSync(readFileSync(path))),
      () => utimesSync(packed, 1, 1),
      () => rmSync(path),
    ];
  }
}

/** Reads what is new in each file of the folder, in the order of their names. */
async function readNew(folder: string, checkpoint: Checkpoint): Promise<string[]> {
  const lines: string[] = [];
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    const seen = await lookAt(path);
    const known = seen === undefined ? 'empty' : await checkpoint.identify(seen);
    if (typeof known === 'string') continue;
    const bytes = readFileSync(path);
    const content = name.endsWith('.gz') ? gunzipSync(bytes, { finishFlush: 2 }) : bytes;
    const end = content.lastIndexOf('\n') + 1;
    const fresh = content.subarray(known.offset, Math.max(known.offset, end)).toString();
    lines.push(...fresh.split('\n').slice(0, -1));
    await checkpoint.commit(known.id, { offset: end, number: 0, state: '' }, 'text');
  }
  return lines;
}

describe('a log that is rotated by rename, by copy and truncate, and by compression', () => {
  it.each([1, 2, 3])('is read once, line by line, whenever its folder is looked at (seed %i)', async (seed) => {
    const root = realpathSync(mkdtempSync(join(tmpdir(), 'rotation-')));
    const folder = mkdtempSync(join(root, 'logs-'));
    const random = createRandom(seed);
    const rotated = new Rotated(folder, random);
    const open = () => openCheckpoint(join(root, 'state'), { stream: 'access', warn: (text) => expect.fail(text) });
    let checkpoint = await open();
    const read: string[] = [];
    for (let step = 0; step < STEPS; step++) {
      rotated.step();
      if (random.chance(1 / 3)) read.push(...(await readNew(folder, checkpoint)));
      if (random.chance(9 / 10)) continue;
      await checkpoint.close();
      checkpoint = await open();
    }
    // The rotation under way comes to its end, or what it copied is taken for a copy for ever.
    for (let step = 0; step < 30; step++) rotated.step();
    read.push(...(await readNew(folder, checkpoint)));
    await checkpoint.close();
    rmSync(root, { recursive: true });

    const numbers = read.map((line) => Number(line.split(' ')[1])).sort((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: rotated.lines }, (_, n) => n));
    expect(rotated.lines).toBeGreaterThan(200);
  });
});
