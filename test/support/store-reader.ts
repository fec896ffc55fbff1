import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { listDays, listVisible } from './storage.ts';

type OnLine = (hour: string, line: string) => void;
type OnHalfLine = (problem: string) => void;

/** Reads the lines that were added to the hour files since the last call. */
export interface StoreReader {
  /**
   * Calls `onLine` for every new line, without its newline. Rejects when a file shrank or ends in half a line; with `onHalfLine` it tells
   * of that, and the half line is read again by the next call.
   */
  readNew(onLine: OnLine, onHalfLine?: OnHalfLine): Promise<void>;
  /** Lines read so far, by hour: `2015-05-17T10:00:00Z`. */
  lines(): ReadonlyMap<string, number>;
}

/** Of one stream: `logsDir` is its folder. `days`: only these, `2015-05-17`; all when absent. */
export function createStoreReader(logsDir: string, days?: readonly string[]): StoreReader {
  const offsets = new Map<string, number>();
  const lines = new Map<string, number>();

  async function readFrom(path: string, hour: string, onLine: OnLine, onHalfLine: OnHalfLine = refuse): Promise<void> {
    const offset = offsets.get(path) ?? 0;
    const file = await open(path);
    try {
      const { size } = await file.stat();
      if (size < offset) throw new Error(`${path} shrank from ${offset} to ${size} bytes: committed records are lost`);
      if (size === offset) return;
      const { buffer } = await file.read(Buffer.alloc(size - offset), 0, size - offset, offset);
      const whole = buffer.lastIndexOf(10) + 1;
      if (whole < buffer.length) onHalfLine(`${path} ends in half a line: ${buffer.subarray(whole).subarray(-80)}`);
      if (whole === 0) return;
      const added = buffer.toString('utf8', 0, whole - 1).split('\n');
      for (const line of added) onLine(hour, line);
      lines.set(hour, (lines.get(hour) ?? 0) + added.length);
      offsets.set(path, offset + whole);
    } finally {
      await file.close();
    }
  }

  return {
    async readNew(onLine, onHalfLine) {
      for (const day of await listDays(logsDir)) {
        if (days !== undefined && !days.includes(day)) continue;
        for (const name of await listVisible(join(logsDir, day))) {
          await readFrom(join(logsDir, day, name), `${day}T${name.slice(0, 2)}:00:00Z`, onLine, onHalfLine);
        }
      }
    },
    lines: () => lines,
  };
}

function refuse(problem: string): never {
  throw new Error(problem);
}
