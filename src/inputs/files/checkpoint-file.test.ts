import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diskFileSystem, type FileSystem } from '../../disk/file-system.ts';
import { openCheckpoint } from './checkpoint.ts';
import { FORGET_AFTER_MS, openCheckpointFile } from './checkpoint-file.ts';
import { CHECKPOINT_HEADER, formatLine, newId } from './checkpoint-format.ts';
import { type Entry, lookAt } from './identity.ts';

const HEADER = `${JSON.stringify(CHECKPOINT_HEADER)}\n`;
const START = Date.UTC(2026, 0, 1);

let folder: string;
let path: string;
let now: number;
let warnings: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'checkpoint-file-'));
  path = join(folder, 'state');
  now = START;
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const options = (files?: FileSystem) => ({
  warn: (text: string) => warnings.push(text),
  now: () => now,
  ...(files && { files }),
});
const open = (files?: FileSystem) => openCheckpointFile(path, options(files));

function entry(number: number, more: Partial<Entry> = {}): Entry {
  const head = createHash('sha256').update(String(number)).digest('hex');
  const place = { path: `/var/log/app/${number}.log`, device: 1, inode: number + 1, head, headBytes: 1_024 };
  const position = { offset: 0, number: 0, state: '', format: 'combined', noted: [] };
  return { id: newId(), stream: 'access', ...place, ...position, seen: START, ...more };
}

/** What a run that opens the file finds. */
async function stored(): Promise<Entry[]> {
  const file = await open();
  const entries = [...file.known.values()];
  await file.close();
  return entries;
}

describe('a checkpoint file', () => {
  it('begins empty, or is made, and says what it is', async () => {
    expect(await stored()).toEqual([]);
    expect(readFileSync(path, 'utf8')).toBe(HEADER);
    writeFileSync(path, '');
    expect(await stored()).toEqual([]);
    expect(readFileSync(path, 'utf8')).toBe(HEADER);
    expect(warnings).toEqual([]);
  });

  it('keeps what was saved, and with it what had changed', async () => {
    const [a, b, c] = [entry(1, { state: 's', noted: [{ from: 1, to: 2 }] }), entry(2), entry(3)];
    const file = await open();
    for (const one of [a, b, c]) file.known.set(one);
    file.change(b.id);
    await file.save(a.id);
    const line = formatLine([a, b].sort((one, other) => (one === b ? -1 : other === b ? 1 : 0)));
    expect(readFileSync(path, 'utf8')).toBe(HEADER + line);
    file.change(c.id);
    await file.close();
    expect(await stored()).toEqual([b, a, c]);
  });

  it('shares a line among those that are saved at once', async () => {
    const file = await open();
    const entries = Array.from({ length: 50 }, (_, n) => entry(n));
    for (const one of entries) file.known.set(one);
    await Promise.all(entries.map(({ id }) => file.save(id)));
    expect(readFileSync(path, 'utf8').split('\n').length).toBe(3);
    await file.close();
  });

  it('is used by one run at a time', async () => {
    const file = await open();
    await expect(open()).rejects.toThrow(`another run uses the checkpoint path=${path}: give each run its own`);
    symlinkSync(path, `${path}-link`);
    await expect(openCheckpointFile(`${path}-link`, options())).rejects.toThrow('another run uses');
    await file.close();
    await (await open()).close();
  });

  it('behind a link is replaced where it lies', async () => {
    const target = join(folder, 'elsewhere');
    mkdirSync(target);
    writeFileSync(join(target, 'real'), '');
    symlinkSync(join(target, 'real'), path);
    await stored();
    expect(readFileSync(join(target, 'real'), 'utf8')).toBe(HEADER);
  });
});

describe('the end of a checkpoint file', () => {
  const good = entry(1);

  it.each([
    ['without its newline', formatLine([entry(2)]).slice(0, -1)],
    ['cut in the middle', formatLine([entry(2)]).slice(0, 40)],
    ['of zeros', '\0'.repeat(700)],
    ['with zeros inside', `${formatLine([entry(2)]).slice(0, 30)}${'\0'.repeat(512)}"}]\n`],
  ])('%s is left out, said, and mended', async (_, end) => {
    writeFileSync(path, HEADER + formatLine([good]) + end);
    expect(await stored()).toEqual([good]);
    expect(warnings).toEqual([expect.stringContaining(`the last line of the checkpoint path=${path} is torn`)]);
    expect(readFileSync(path, 'utf8')).toBe(HEADER + formatLine([good]));
  });
});

describe('a file that is no checkpoint is refused, and left as it is', () => {
  const damaged = `line 2 is damaged`;
  const other = (fields: object) => JSON.stringify({ ...entry(1), ...fields });
  it.each([
    ['damaged before its last line', `${HEADER}[{"id"\n${formatLine([entry(1)])}`, damaged],
    ['damaged before a torn end', `${HEADER}nothing\n[{"id`, damaged],
    [
      'a packed state of another shape',
      `${HEADER}${formatLine([{ ...entry(1), finished: null as never }])}${formatLine([entry(1)])}`,
      damaged,
    ],
    ['a first path of another type', `${HEADER}[${other({ firstPath: 1 })}]\n${formatLine([entry(1)])}`, damaged],
    ['a skip of another type', `${HEADER}[${other({ skip: 'some' })}]\n${formatLine([entry(1)])}`, damaged],
    ['entries of another shape', `${HEADER}[{"id":1}]\n${formatLine([entry(1)])}`, damaged],
    ['a later version', '{"logforge":"checkpoint","version":3}\n', 'it has version 3; this release reads 1 and 2'],
    ['a log', '192.0.2.1 - - [01/Jan/2026]\n192.0.2.1\n', 'it was not written by logforge'],
    ['a short text', 'notes', 'it was not written by logforge'],
    ['a long line', 'x'.repeat(100_000), 'it was not written by logforge'],
    ['other JSON', '{"version":1,"files":[1]}', 'it was not written by logforge'],
    ['JSON of a later version 1', '{"version":2,"files":{}}', 'it was not written by logforge'],
  ])('%s', async (_, content, message) => {
    writeFileSync(path, content);
    await expect(open()).rejects.toThrow(message);
    await expect(open()).rejects.toThrow(`cannot read the checkpoint path=${path}: `);
    expect(readFileSync(path, 'utf8')).toBe(content);
  });
});

describe('growth', () => {
  it('is ended by a compaction, at a MiB or at twice what is live', async () => {
    const file = await open();
    const state = 'x'.repeat(40_000);
    const one = entry(1);
    for (let offset = 1; offset <= 26; offset++) {
      file.known.set({ ...one, offset, state });
      await file.save(one.id);
    }
    expect(statSync(path).size).toBeGreaterThan(1_000_000);
    file.known.set({ ...one, offset: 27, state });
    await file.save(one.id);
    expect(statSync(path).size).toBeLessThan(50_000);
    file.known.set({ ...one, offset: 28 });
    await file.save(one.id);
    await file.close();
    expect(await stored()).toEqual([{ ...one, offset: 28 }]);
  });

  it('forgets at a compaction what was not seen for 30 days', async () => {
    const [old, fresh] = [entry(1), entry(2, { seen: START + 1 })];
    writeFileSync(path, HEADER + formatLine([old, fresh]) + formatLine([fresh]).slice(1));
    now = START + FORGET_AFTER_MS + 1;
    expect(await stored()).toEqual([fresh]);
  });

  it('of 100,000 files is opened within a second or two, and found again in memory that is bounded', async () => {
    const pieces = [HEADER];
    for (let n = 0; n < 100_000; n++) pieces.push(formatLine([entry(n)]));
    writeFileSync(path, pieces.join(''));
    const before = process.memoryUsage().heapUsed;
    const begin = performance.now();
    const file = await open();
    expect(performance.now() - begin).toBeLessThan(4_000);
    expect(file.known.size).toBe(100_000);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(300_000_000);
    await file.close();
  });
});

describe('a disk that fails', () => {
  /** Fails the operations of the name while it is told to. */
  function failing(operation: 'write' | 'sync') {
    const disk = { isBad: false };
    const files: FileSystem = {
      ...diskFileSystem,
      async write(fd, buffers, position) {
        const [first = Buffer.alloc(0)] = buffers;
        const written = await diskFileSystem.write(fd, [first.subarray(0, Math.ceil(first.length / 2))], position);
        if (disk.isBad && operation === 'write') throw new Error('ENOSPC');
        return written;
      },
      async sync(fd) {
        if (disk.isBad && operation === 'sync') throw new Error('EIO');
        await diskFileSystem.sync(fd);
      },
    };
    return { disk, files };
  }

  it.each([
    'write',
    'sync',
  ] as const)('at %s: what is saved says so, and the next is written with it', async (operation) => {
    const { disk, files } = failing(operation);
    const file = await open(files);
    const [a, b] = [entry(1), entry(2)];
    file.known.set(a);
    await file.save(a.id);
    disk.isBad = true;
    file.known.set({ ...a, offset: 7 });
    await expect(file.save(a.id)).rejects.toThrow(`cannot write the checkpoint path=${path}`);
    disk.isBad = false;
    file.known.set(b);
    await file.save(b.id);
    await file.close();
    expect(await stored()).toEqual([{ ...a, offset: 7 }, b]);
    expect(warnings).toEqual([]);
  });

  it('cannot compact: the file goes on to grow', async () => {
    const moved = `${folder}-moved`;
    // Without its folder no new file can be made; the open one is there as before.
    const statusAt = (name: string) => diskFileSystem.statusAt(name.replace(folder, moved));
    const file = await open({ ...diskFileSystem, statusAt });
    const one = entry(1);
    const state = 'x'.repeat(60_000);
    for (let offset = 1; offset <= 40; offset++) {
      file.known.set({ ...one, offset, state });
      if (offset === 10) renameSync(folder, moved);
      if (offset === 30) renameSync(moved, folder);
      await file.save(one.id);
      if (offset === 30) expect(statSync(path).size).toBeGreaterThan(1_700_000);
    }
    expect(statSync(path).size).toBeLessThan(1_000_000);
    await file.close();
    expect(await stored()).toEqual([{ ...one, offset: 40, state }]);
  });

  it('whose file is gone gets it again, whole', async () => {
    const file = await open();
    const [a, b] = [entry(1), entry(2)];
    for (const one of [a, b]) file.known.set(one);
    rmSync(path);
    await file.save(a.id);
    await file.close();
    expect(await stored()).toEqual([a, b]);
  });
});

describe('a checkpoint of version 1', () => {
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  const position = (bytes: Buffer, offset: number) => ({
    head: sha256(bytes.subarray(0, 65_536)),
    headBytes: Math.min(bytes.length, 65_536),
    offset,
    number: 3,
    key: 'k',
  });
  const openFor = (stream: string) => openCheckpoint(path, { stream, ...options() });

  it('becomes one of version 2, whose files are found by their path and head', async () => {
    const log = join(folder, 'a.log');
    const other = join(folder, 'b.log');
    const content = Buffer.alloc(70_000, 'a line\n');
    for (const name of [log, other]) writeFileSync(name, content);
    const files = {
      [log]: position(content, 700),
      [other]: position(Buffer.from('of another'), 7),
      [`events:${log}`]: position(content, 1_400),
    };
    writeFileSync(path, `${JSON.stringify({ version: 1, files }, undefined, 2)}\n`);

    const seen = async (name: string) => (await lookAt(name)) ?? expect.fail('it is not there');
    const first = await openFor('access');
    now = Date.now() + 60_000;
    const a = await first.identify(await seen(log));
    expect(a).toMatchObject({ path: log, offset: 700, number: 3, headBytes: 1_024 });
    expect(await first.identify(await seen(other))).toMatchObject({ offset: 0 });
    await first.close();
    expect(readFileSync(path, 'utf8').startsWith(HEADER)).toBe(true);

    const second = await openFor('access');
    expect(await second.identify(await seen(log))).toEqual(a);
    await second.close();
    const events = await openFor('events');
    expect(await events.identify(await seen(log))).toMatchObject({ stream: 'events', offset: 1_400 });
    await events.close();
  });

  it('knows nothing of a file that is shorter by now', async () => {
    const log = join(folder, 'a.log');
    writeFileSync(log, 'a line\n');
    writeFileSync(path, JSON.stringify({ version: 1, files: { [log]: position(readFileSync(log), 70) } }));
    const checkpoint = await openFor('access');
    expect(await checkpoint.identify((await lookAt(log)) ?? expect.fail('it is not there'))).toMatchObject({
      offset: 0,
    });
    await checkpoint.close();
  });
});

describe('a run that is killed', () => {
  /** Saves without end, and prints each offset that is durable. */
  const program = (module: string) => `
    import { openCheckpointFile } from ${JSON.stringify(module)};
    const file = await openCheckpointFile(process.argv[1], { warn: () => undefined, now: () => ${START} });
    const entry = file.known.values().next().value ?? JSON.parse(process.argv[2]);
    for (let offset = entry.offset + 1; ; offset++) {
      file.known.set({ ...entry, offset, state: 'x'.repeat(offset % 30_000) });
      await file.save(entry.id);
      process.stdout.write(offset + '\\n');
    }`;

  it('at any moment leaves a file that opens and has all that was promised', async () => {
    const one = entry(1);
    const module = join(import.meta.dirname, 'checkpoint-file.ts');
    const argument = ['--input-type=module', '-e', program(module), path, JSON.stringify(one)];
    let promised = 0;
    for (const kills of [1, 40, 120, 333]) {
      const child = spawn(process.execPath, argument, { stdio: ['ignore', 'pipe', 'inherit'] });
      let count = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        promised = Number(line);
        if (++count === kills) child.kill('SIGKILL');
      }
      expect(existsSync(path)).toBe(true);
      const [found] = await stored();
      expect(found?.offset).toBeGreaterThanOrEqual(promised);
    }
    expect(promised).toBeGreaterThanOrEqual(494);
  });

  it('leaves at every length of its last line what was there before', async () => {
    const [a, b] = [entry(1), entry(2)];
    const before = HEADER + formatLine([a]);
    const line = formatLine([b]);
    for (let length = 0; length <= line.length; length += 7) {
      writeFileSync(path, before);
      appendFileSync(path, line.slice(0, length));
      expect((await stored())[0]).toEqual(a);
    }
  });
});
