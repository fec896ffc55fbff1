import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../../src/disk/missing.ts';
import { parseHour } from '../../src/model/hour.ts';
import { openHour } from '../../src/repo/hour-file.ts';
import { openReadStore } from '../../src/repo/read-store.ts';
import type { Dirs } from './service.ts';
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

/** Of one stream: `logsDir` is its folder. `days`: only these, `2015-05-17`; all when absent. `readCompressed`: the lines of a compressed hour. */
export function createStoreReader(
  logsDir: string,
  {
    days,
    readCompressed = (hour) => refuse(`${hour} has no plain file`),
  }: { readonly days?: readonly string[]; readonly readCompressed?: (hour: string) => Promise<Buffer> } = {},
): StoreReader {
  /** Of plain lines, by hour: its form may change. */
  const offsets = new Map<string, number>();
  const lines = new Map<string, number>();

  /** False when the file is gone: the service may have compressed the hour since its folder was listed. */
  async function readPlain(path: string, hour: string, onLine: OnLine, onHalfLine: OnHalfLine): Promise<boolean> {
    const offset = offsets.get(hour) ?? 0;
    const file = await open(path).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
    if (file === undefined) return false;
    try {
      const { size } = await file.stat();
      const length = Math.max(0, size - offset);
      const { buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
      // A file that was deleted is cut in steps.
      if ((await file.stat()).nlink === 0) return false;
      if (size < offset) throw new Error(`${path} shrank from ${offset} to ${size} bytes: committed records are lost`);
      const whole = buffer.lastIndexOf(10) + 1;
      if (whole < buffer.length) onHalfLine(`${path} ends in half a line: ${buffer.subarray(whole).subarray(-80)}`);
      if (whole === 0) return true;
      add(hour, buffer.toString('utf8', 0, whole), onLine);
      offsets.set(hour, offset + whole);
      return true;
    } finally {
      await file.close();
    }
  }

  function take(hour: string, bytes: Buffer, onLine: OnLine): void {
    if (bytes.length > 0 && bytes.at(-1) !== 10) throw new Error(`${hour} ends in half a line: ${bytes.subarray(-80)}`);
    const offset = offsets.get(hour) ?? 0;
    if (bytes.length < offset) throw new Error(`${hour} shrank from ${offset} to ${bytes.length} bytes of lines`);
    add(hour, bytes.toString('utf8', offset), onLine);
    offsets.set(hour, bytes.length);
  }

  /** Whole lines. */
  function add(hour: string, text: string, onLine: OnLine): void {
    const added = text.split('\n').slice(0, -1);
    for (const line of added) onLine(hour, line);
    lines.set(hour, (lines.get(hour) ?? 0) + added.length);
  }

  return {
    async readNew(onLine, onHalfLine = refuse) {
      for (const day of await listDays(logsDir)) {
        if (days !== undefined && !days.includes(day)) continue;
        const names = await listVisible(join(logsDir, day));
        for (const hh of new Set(names.map((name) => name.slice(0, 2)))) {
          const hour = `${day}T${hh}:00:00Z`;
          const plain = `${hh}.log.json`;
          const isRead =
            !names.includes(`${plain}.zst`) && (await readPlain(join(logsDir, day, plain), hour, onLine, onHalfLine));
          if (!isRead) take(hour, await readCompressed(hour), onLine);
        }
      }
    },
    lines: () => lines,
  };
}

function refuse(problem: string): never {
  throw new Error(problem);
}

/** Reads the committed lines of compressed hours: also those that wait in the commit journal of a service that runs. */
export function createCompressedReader({ dirs, stream }: { readonly dirs: Dirs; readonly stream: string }) {
  return async (text: string): Promise<Buffer> => {
    const hour = parseHour(text.slice(0, 13));
    if (hour === undefined) throw new Error(`not an hour: ${text}`);
    const store = await openReadStore({ logsDir: dirs.logs, dlqDir: dirs.dlq, stateDir: dirs.state });
    const committed = await store.committedHour({ stream, hour });
    const file = committed && openHour(committed);
    if (committed === undefined || file === undefined) return Buffer.alloc(0);
    try {
      const lines = Buffer.alloc(committed.bytes);
      for (let at = 0; at < lines.length; ) {
        const count = file.read(lines, at, lines.length - at, at);
        if (count === 0) throw new Error(`${committed.path} ends at ${at} of ${lines.length} bytes of lines`);
        at += count;
      }
      return lines;
    } finally {
      file.close();
    }
  };
}
