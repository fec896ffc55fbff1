import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diskFileSystem } from './file-system.ts';
import { writeAgain } from './write-again.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'logforge-write-again-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('a file that is written again', () => {
  it('keeps its content, and every byte from the position on is written before the sync', async () => {
    const path = join(dir, 'file');
    const content = Buffer.alloc(2_500_000, 'abcdefg');
    writeFileSync(path, content);
    const done: string[] = [];
    const files: typeof diskFileSystem = {
      ...diskFileSystem,
      async write(fd, buffers, position) {
        const written = await diskFileSystem.write(fd, buffers, position);
        done.push(`${position}-${position + written}`);
        return written;
      },
      async sync(fd) {
        await diskFileSystem.sync(fd);
        done.push('sync');
      },
    };
    const fd = await files.open(path);
    await writeAgain(files, fd, { from: 1_000, size: content.length });
    await files.close(fd);
    expect(done).toEqual(['1000-1049576', '1049576-2098152', '2098152-2500000', 'sync']);
    expect(readFileSync(path).equals(content)).toBe(true);
  });
});
