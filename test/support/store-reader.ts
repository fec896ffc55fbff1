import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { listVisible } from './storage.ts';

/** Reads the lines that were added to the hour files since the last call. */
export interface StoreReader {
  /** Calls `onLine` for every new line, without its newline. Rejects when a file shrank or ends in half a line. */
  readNew(onLine: (hour: string, line: string) => void): Promise<void>;
  /** Lines read so far, by hour: `2015-05-17T10:00:00Z`. */
  lines(): ReadonlyMap<string, number>;
}

/** `days`: only these, `2015-05-17`; all when absent. */
export function createStoreReader(logsDir: string, days?: readonly string[]): StoreReader {
  const offsets = new Map<string, number>();
  const lines = new Map<string, number>();

  async function readFrom(path: string, hour: string, onLine: (hour: string, line: string) => void): Promise<void> {
    const offset = offsets.get(path) ?? 0;
    const file = await open(path);
    try {
      const { size } = await file.stat();
      if (size < offset) throw new Error(`${path} shrank from ${offset} to ${size} bytes: committed records are lost`);
      if (size === offset) return;
      const { buffer } = await file.read(Buffer.alloc(size - offset), 0, size - offset, offset);
      if (buffer.at(-1) !== 10) throw new Error(`${path} ends in half a line: ${buffer.subarray(-80).toString()}`);
      const added = buffer.toString('utf8', 0, buffer.length - 1).split('\n');
      for (const line of added) onLine(hour, line);
      lines.set(hour, (lines.get(hour) ?? 0) + added.length);
      offsets.set(path, size);
    } finally {
      await file.close();
    }
  }

  return {
    async readNew(onLine) {
      for (const day of await listVisible(logsDir)) {
        if (days !== undefined && !days.includes(day)) continue;
        for (const name of await listVisible(join(logsDir, day))) {
          await readFrom(join(logsDir, day, name), `${day}T${name.slice(0, 2)}:00:00Z`, onLine);
        }
      }
    },
    lines: () => lines,
  };
}
