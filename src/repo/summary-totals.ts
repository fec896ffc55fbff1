import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isAbsent } from '../disk/missing.ts';
import { type Hour, hourToIso, parseHour, type StreamHour, type StreamRange } from '../model/hour.ts';
import type { StreamName } from '../model/stream.ts';
import { summaryForm } from '../model/summary.ts';
import { streamFolder } from './stream-folders.ts';
import { summaryPath } from './summaries.ts';

/** Contains the hour and the total at the start of a summary, and `source` at its end, in which the total stands again. */
const EDGE_BYTES = 256;
const AT_ONCE = 32;

/** Reads how many records hours have from the first and the last bytes of their summaries. */
export function createSummaryTotals({
  analyticsDir,
  onDamaged = () => undefined,
}: {
  readonly analyticsDir: string;
  /** Told of a summary whose first and last bytes do not fit. */
  readonly onDamaged?: (at: StreamHour) => void;
}) {
  async function totalOf(at: StreamHour): Promise<number | null> {
    const total = await readTotal(summaryPath(analyticsDir, at), at);
    if (total === undefined) onDamaged(at);
    return total ?? null;
  }

  return {
    /** Of the hours of a stream in [from, to). Null where there is no summary, or a damaged one. */
    async totals({ stream, from, to }: StreamRange): Promise<(number | null)[]> {
      const totals: (number | null)[] = [];
      for (let first = from; first < to; first += AT_ONCE) {
        const hours = Array.from({ length: Math.min(AT_ONCE, to - first) }, (_, i) => ({ stream, hour: first + i }));
        totals.push(...(await Promise.all(hours.map(totalOf))));
      }
      return totals;
    },

    /** The latest hour of a stream that has a summary. */
    async latest(stream: StreamName): Promise<Hour | undefined> {
      const folder = streamFolder(analyticsDir, stream);
      const days = (await list(folder)).filter((name) => /^\d{4}-\d\d-\d\d$/.test(name)).sort();
      for (const day of days.reverse()) {
        const hours = (await list(join(folder, day))).flatMap((name) => {
          const hh = /^summary_(\d\d)\.json$/.exec(name)?.[1];
          const hour = hh === undefined ? undefined : parseHour(`${day}T${hh}`);
          return hour === undefined ? [] : [hour];
        });
        if (hours.length > 0) return Math.max(...hours);
      }
      return undefined;
    },
  };
}

/** Null where there is no summary, undefined where it is damaged. */
async function readTotal(path: string, { stream, hour }: StreamHour): Promise<number | null | undefined> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    if (isAbsent(error)) return null;
    throw new Error(`cannot open summary path=${path}`, { cause: error });
  }
  try {
    const { size } = await file.stat();
    const head = await readText(file, 0);
    const tail = await readText(file, Math.max(0, size - EDGE_BYTES));
    const [, iso, name, total] = /^\s*\{\s*"hour":\s*"([^"]*)",\s*"([^"]*)":\s*(\d+),/.exec(head) ?? [];
    const records = /"source":\s*\{[^{}]*"records":\s*(\d+)[^{}]*\}\s*\}\s*$/.exec(tail)?.[1];
    const isRight = iso === hourToIso(hour) && name === summaryForm(stream).total && total === records;
    return isRight && total !== undefined ? Number(total) : undefined;
  } finally {
    await file.close();
  }
}

async function readText(file: FileHandle, position: number): Promise<string> {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(EDGE_BYTES), position });
  return buffer.toString('latin1', 0, bytesRead);
}

async function list(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw new Error(`cannot list path=${path}`, { cause: error });
  }
}
