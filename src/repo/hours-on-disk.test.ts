import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { diskFileSystem, type FileSystem } from '../disk/file-system.ts';
import { createHoursOnDisk } from './hours-on-disk.ts';
import { hourOf } from './repo-fixture.case.ts';

let dir: string;

beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'logforge-hours-'));
});
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

function write(path: string, bytes = 10): string {
  const whole = join(dir, path);
  fs.mkdirSync(dirname(whole), { recursive: true });
  fs.writeFileSync(whole, Buffer.alloc(bytes, 'x'));
  return whole;
}

function open(files: FileSystem = diskFileSystem, stepBytes = 1024) {
  return createHoursOnDisk({
    files,
    logsDir: join(dir, 'logs'),
    analyticsDir: join(dir, 'analytics'),
    stepBytes,
    between: (work) => work(),
  });
}

const TEN = hourOf('2015-05-17T10');
const exists = (path: string) => fs.existsSync(join(dir, path));

describe('hours on disk', () => {
  test('are listed by stream, in order, with the bytes of all their forms', async () => {
    write('logs/2015-05-18/00.log.json', 7);
    write('logs/2015-05-17/10.log.json', 5);
    write('logs/2015-05-17/10.log.json.zst', 3);
    write('logs/2015-05-17/11.log.json.zst.new', 2);
    write('logs/events/2015-05-17/10.log.json', 1);
    expect(await open().list('access')).toEqual([
      { stream: 'access', hour: TEN, bytes: 8 },
      { stream: 'access', hour: TEN + 1, bytes: 2 },
      { stream: 'access', hour: TEN + 14, bytes: 7 },
    ]);
    expect(await open().list('events')).toEqual([{ stream: 'events', hour: TEN, bytes: 1 }]);
    expect(await open().list('none')).toEqual([]);
  });

  test('whatever has another name or is no regular file is not listed, and stays', async () => {
    write('logs/2015-05-17/10.log.json.bak');
    write('logs/2015-05-17/24.log.json');
    write('logs/2015-02-30/10.log.json');
    write('logs/2015-05-17/11.log.json/inside');
    const target = write('elsewhere');
    fs.symlinkSync(target, join(dir, 'logs/2015-05-17/12.log.json'));
    const outside = dirname(write('outside/10.log.json'));
    fs.symlinkSync(outside, join(dir, 'logs/2015-05-16'));
    const hours = open();
    expect(await hours.list('access')).toEqual([]);
    for (let hour = TEN - 34; hour < TEN + 14; hour++) await hours.delete({ stream: 'access', hour });
    await hours.removeEmptyDays('access', TEN + 100);
    for (const path of [
      'logs/2015-05-17/10.log.json.bak',
      'logs/2015-05-17/11.log.json/inside',
      'logs/2015-05-17/12.log.json',
      'logs/2015-05-16',
    ])
      expect(exists(path)).toBe(true);
    expect(exists('elsewhere')).toBe(true);
  });

  test('all forms of an hour are deleted, and only those of that hour', async () => {
    for (const name of ['10.log.json', '10.log.json.zst', '10.log.json.zst.new', '11.log.json'])
      write(`logs/2015-05-17/${name}`, 4);
    expect(await open().delete({ stream: 'access', hour: TEN })).toBe(12);
    expect(fs.readdirSync(join(dir, 'logs/2015-05-17'))).toEqual(['11.log.json']);
  });

  test('the rest of a large file goes at once when the service stops', async () => {
    write('logs/2015-05-17/10.log.json', 4000);
    const stopping = new AbortController();
    let steps = 0;
    const files: FileSystem = {
      ...diskFileSystem,
      async truncateOpen(fd, length) {
        steps++;
        await diskFileSystem.truncateOpen(fd, length);
        stopping.abort();
      },
    };
    expect(await open(files).delete({ stream: 'access', hour: TEN }, stopping.signal)).toBe(4000);
    expect(steps).toBe(1);
  });

  test('a large file loses its name first, and is then freed in steps', async () => {
    const path = write('logs/2015-05-17/10.log.json', 4000);
    const steps: string[] = [];
    const files: FileSystem = {
      ...diskFileSystem,
      async remove(at) {
        await diskFileSystem.remove(at);
        steps.push('remove');
      },
      async truncateOpen(fd, length) {
        expect(fs.existsSync(path)).toBe(false);
        steps.push(`cut to ${length}`);
        await diskFileSystem.truncateOpen(fd, length);
      },
    };
    expect(await open(files).delete({ stream: 'access', hour: TEN })).toBe(4000);
    expect(steps).toEqual(['remove', 'cut to 3072', 'cut to 2048', 'cut to 1024']);
  });

  test('a hard link keeps all its bytes', async () => {
    const path = write('logs/2015-05-17/10.log.json', 4000);
    fs.linkSync(path, join(dir, 'backup'));
    await open().delete({ stream: 'access', hour: TEN });
    expect(fs.existsSync(path)).toBe(false);
    expect(fs.statSync(join(dir, 'backup')).size).toBe(4000);
  });

  test('a hard link that is made while the file is deleted keeps all its bytes', async () => {
    const path = write('logs/2015-05-17/10.log.json', 4000);
    const files: FileSystem = {
      ...diskFileSystem,
      async remove(at) {
        fs.linkSync(at, join(dir, 'backup'));
        await diskFileSystem.remove(at);
      },
    };
    await open(files).delete({ stream: 'access', hour: TEN });
    expect(fs.existsSync(path)).toBe(false);
    expect(fs.statSync(join(dir, 'backup')).size).toBe(4000);
  });

  test('an empty day that began before the first hour goes, and one with anything in it stays', async () => {
    for (const day of ['16', '17', '18']) fs.mkdirSync(join(dir, `logs/2015-05-${day}`), { recursive: true });
    write('logs/2015-05-15/notes.txt');
    await open().removeEmptyDays('access', TEN + 1);
    expect(fs.readdirSync(join(dir, 'logs'))).toEqual(['2015-05-15', '2015-05-18']);
  });

  test('summaries before the first hour go with the checksums of their days', async () => {
    write('analytics/2015-05-16/summary_23.json');
    write('analytics/.checksums/2015-05-16.json');
    write('analytics/2015-05-17/summary_10.json');
    write('analytics/2015-05-17/summary_11.json');
    write('analytics/.checksums/2015-05-17.json');
    write('analytics/events/2015-05-16/summary_23.json');
    expect(await open().deleteSummaries('access', TEN + 1)).toBe(2);
    expect(exists('analytics/2015-05-16')).toBe(false);
    expect(exists('analytics/.checksums/2015-05-16.json')).toBe(false);
    expect(fs.readdirSync(join(dir, 'analytics/2015-05-17'))).toEqual(['summary_11.json']);
    expect(exists('analytics/.checksums/2015-05-17.json')).toBe(true);
    expect(exists('analytics/events/2015-05-16/summary_23.json')).toBe(true);
  });
});
