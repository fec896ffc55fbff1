import { appendFile, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createBoundary } from '../../decode/framing.ts';
import { MemoryCheckpoint, openLines, Recorder } from './file-parts.case.ts';
import { BLOCK_BYTES } from './files.ts';
import { type ReadFilesOptions, readFiles } from './read-files.ts';

let folder: string;
let recorder: Recorder;
let faults: string[];
let warnings: string[];
const at = (name: string) => join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'logforge-read-'));
  recorder = new Recorder();
  faults = [];
  warnings = [];
});
afterEach(() => rm(folder, { recursive: true }));

function optionsOf(more: Partial<ReadFilesOptions> = {}): ReadFilesOptions {
  return {
    stdin: new PassThrough(),
    checkpoint: new MemoryCheckpoint(),
    isKept: more.checkpoint !== undefined,
    anonymous: new MemoryCheckpoint(),
    open: (_name, _head, state) => openLines(state),
    createBoundary,
    deliver: recorder.deliver,
    concurrency: 2,
    report: {
      begin() {},
      delivered() {},
      warn: (_name, message) => warnings.push(message),
      fault: (name, { message }) => faults.push(`${name}: ${message}`),
    },
    ...more,
  };
}

const numbered = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}`);
const textOf = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');
const outcomes = async (names: readonly string[], options: ReadFilesOptions) =>
  (await readFiles(names, options)).map(({ outcome }) => outcome);

describe('readFiles', () => {
  it('reads files in the order given, packed ones too, and an unfinished last line where nothing is remembered', async () => {
    await writeFile(at('a.log'), 'a1\n\nbad\na2');
    await writeFile(at('b.log'), gzipSync('b1\nb2\n'));
    await writeFile(at('empty.log'), '');
    expect(await outcomes([at('a.log'), at('empty.log'), at('b.log')], optionsOf())).toEqual(['read', 'read', 'read']);
    expect(recorder.lines).toEqual(['a1', 'a2', 'b1', 'b2']);
    expect(recorder.slices[0]?.converted.unreadable[0]?.number).toBe(3);
    expect(recorder.slices[0]?.position).toEqual({ offset: 10, number: 4, state: '4' });
  });

  it('reads the unfinished last line of a packed file, which does not grow, though it remembers', async () => {
    await writeFile(at('a.gz'), gzipSync('a1\na2'));
    await writeFile(at('b.gz'), Buffer.concat([gzipSync('b1\nb2'), Buffer.from('garbage')]));
    await writeFile(at('c.log'), 'c1\nc2');
    const options = optionsOf({ checkpoint: new MemoryCheckpoint() });
    expect(await outcomes(['a.gz', 'b.gz', 'c.log'].map(at), options)).toEqual(['read', 'read', 'read']);
    expect(recorder.lines).toEqual(['a1', 'a2', 'b1', 'b2', 'c1']);
    expect(await outcomes(['a.gz', 'b.gz'].map(at), options)).toEqual(['read', 'read']);
    expect(recorder.slices).toHaveLength(3);
  });

  it('does not unpack a packed file again that it has read, and that has not changed', async () => {
    const packed = gzipSync(textOf(numbered(0, 200_000)));
    const path = at('a.gz');
    await writeFile(path, packed);
    await utimes(path, 1_000, 1_000);
    const options = optionsOf({ checkpoint: new MemoryCheckpoint() });
    expect(await outcomes([path], options)).toEqual(['read']);
    expect(recorder.count).toBe(200_000);
    // What it would find in it: damage.
    await writeFile(path, packed.fill(0xff, packed.length - 1_000));
    await utimes(path, 1_000, 1_000);
    expect(await outcomes([path], options)).toEqual(['read']);
    expect(faults).toEqual([]);
    await utimes(path, 1_000, 1_001);
    expect(await outcomes([path], options)).toEqual(['faulty']);
  });

  it('reports a bad file with its name and goes on', async () => {
    await mkdir(at('folder'));
    await writeFile(at('cut.gz'), gzipSync(textOf(numbered(0, 5_000))).subarray(0, -20));
    await writeFile(at('good.log'), 'good\n');
    const open: ReadFilesOptions['open'] = (name, _head, state) => {
      if (name.endsWith('odd.log')) throw new Error('columns');
      return openLines(state);
    };
    await writeFile(at('odd.log'), 'x\n');
    const names = ['missing.log', 'folder', 'odd.log', 'cut.gz', 'good.log'].map(at);
    expect(await outcomes(names, optionsOf({ open }))).toEqual(['faulty', 'faulty', 'faulty', 'faulty', 'read']);
    expect(faults).toHaveLength(4);
    expect(faults[1]).toContain('it is a folder');
    expect(faults[3]).toContain('is cut');
    expect(recorder.lines.length).toBeGreaterThan(1_000);
    const cut = recorder.lines.slice(0, -1);
    expect(cut).toEqual(numbered(0, cut.length));
    expect(recorder.lines.at(-1)).toBe('good');
  });

  it('reads on with a checkpoint: an unfinished line waits, and what has grown is all that is sent', async () => {
    const checkpoint = new MemoryCheckpoint();
    await writeFile(at('a.log'), 'one\ntw');
    await readFiles([at('a.log')], optionsOf({ checkpoint }));
    expect(recorder.lines).toEqual(['one']);
    expect(warnings[0]).toContain('2 bytes wait');
    await appendFile(at('a.log'), 'o\nthree\n');
    await readFiles([at('a.log')], optionsOf({ checkpoint }));
    expect(recorder.lines).toEqual(['one', 'two', 'three']);
    expect(recorder.slices.map(({ from, to, number }) => [from, to, number])).toEqual([
      [0, 4, 1],
      [4, 14, 2],
    ]);
  });

  it('has noted the bounds that only it knows before it hands a slice over', async () => {
    const checkpoint = new MemoryCheckpoint();
    const noted: boolean[] = [];
    recorder.before = async ({ id, from, to }) => {
      noted.push(checkpoint.get(id)?.noted.some((bounds) => bounds.from === from && bounds.to === to) === true);
    };
    await writeFile(at('a.log'), textOf(numbered(0, 60_000)));
    await readFiles([at('a.log')], optionsOf({ checkpoint }));
    // The first, since the file would pass for new, and the last, which ends with the file.
    expect(noted).toEqual([true, false, true]);
    expect(recorder.lines).toEqual(numbered(0, 60_000));
  });

  it.each([
    { first: undefined, second: undefined },
    { first: 1_000, second: 300 },
    { first: undefined, second: 300 },
    { first: 300, second: undefined },
  ])('sends what was under way again with the same bounds, with batch $first and then $second', async ({
    first,
    second,
  }) => {
    const checkpoint = new MemoryCheckpoint();
    const lines = numbered(0, 100_000);
    await writeFile(at('a.log'), textOf(lines));
    // Stored, and never acknowledged: as with a kill before the answer.
    const dead = optionsOf({ checkpoint, concurrency: 8, ...(first === undefined ? {} : { batch: first }) });
    const atDeath = {
      ...dead,
      deliver: async (slice) => {
        await recorder.deliver(slice);
        if (recorder.slices.length < 4) return;
        throw new Error('killed');
      },
    } satisfies ReadFilesOptions;
    await readFiles([at('a.log')], atDeath);
    await appendFile(at('a.log'), textOf(numbered(100_000, 100_500)));
    const again = optionsOf({ checkpoint, ...(second === undefined ? {} : { batch: second }) });
    await readFiles([at('a.log')], again);
    expect(recorder.conflicts).toEqual([]);
    expect(recorder.lines.toSorted()).toEqual([...lines, ...numbered(100_000, 100_500)].toSorted());
  });

  it('ends the run at a failed delivery, and does not move the position behind it', async () => {
    const checkpoint = new MemoryCheckpoint();
    await writeFile(at('a.log'), textOf(numbered(0, 200_000)));
    await writeFile(at('b.log'), 'b\n');
    recorder.before = async ({ from }) => {
      if (from > 2 * BLOCK_BYTES) throw new Error('refused');
    };
    const options = optionsOf({ checkpoint, concurrency: 4 });
    expect(await outcomes([at('a.log'), at('b.log')], options)).toEqual(['undelivered', 'stopped']);
    expect(checkpoint.get('id-1')?.offset).toBeLessThanOrEqual(2 * BLOCK_BYTES + 20);
    expect(checkpoint.get('id-1')?.offset).toBeGreaterThan(BLOCK_BYTES);
  });

  it('hands standard input over while it is open, whole lines only', async () => {
    const stdin = new PassThrough();
    const run = readFiles(['-'], optionsOf({ stdin }));
    stdin.write('line a\nb\nc');
    await vi.waitFor(() => expect(recorder.lines).toEqual(['line a', 'b']), { timeout: 1_000, interval: 5 });
    stdin.write('c\n');
    await vi.waitFor(() => expect(recorder.lines).toEqual(['line a', 'b', 'cc']), { timeout: 1_000, interval: 5 });
    stdin.end('d');
    await run;
    expect(recorder.lines).toEqual(['line a', 'b', 'cc', 'd']);
  });

  it('stops at the signal, with what came of standard input delivered', async () => {
    const stdin = new PassThrough();
    const stop = new AbortController();
    const run = outcomes(['-'], optionsOf({ stdin, signal: stop.signal }));
    stdin.write('line a\n');
    await vi.waitFor(() => expect(recorder.lines).toEqual(['line a']), { timeout: 1_000, interval: 5 });
    stop.abort();
    expect(await run).toEqual(['stopped']);
  });

  it('leaves files that may be copies in the making for the end, and says so where that does not end', async () => {
    const checkpoint = new MemoryCheckpoint();
    let asked = 0;
    const identify = checkpoint.identify.bind(checkpoint);
    const undecided = Object.assign(checkpoint, {
      identify: (seen: Parameters<typeof identify>[0]) =>
        seen.path.endsWith('never.log') || (seen.path.endsWith('copy.log') && asked++ < 2)
          ? Promise.resolve('undecided' as const)
          : identify(seen),
    });
    for (const name of ['copy.log', 'never.log', 'a.log']) await writeFile(at(name), `${name}\n`);
    const options = { ...optionsOf({ checkpoint: undecided as unknown as MemoryCheckpoint }), undecidedMs: 600 };
    expect(await outcomes(['copy.log', 'never.log', 'a.log'].map(at), options)).toEqual(['read', 'faulty', 'read']);
    expect(recorder.lines).toEqual(['a.log', 'copy.log']);
    expect(faults[0]).toContain('copy in the making');
  });
});
