import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isAbsent } from '../disk/missing.ts';
import { type Hour, parseHour } from '../model/hour.ts';
import { summaryPath } from './summaries.ts';

/** Contains the total: it is the second member of a summary, after the hour. */
const HEAD_BYTES = 256;
const AT_ONCE = 32;

/** Reads how many records hours have from the first bytes of their summaries. */
export function createSummaryTotals({ analyticsDir }: { readonly analyticsDir: string }) {
  return {
    /** Of the hours in [from, to). Null where there is no summary, or one without a total at its start. */
    async totals(from: Hour, to: Hour): Promise<(number | null)[]> {
      const totals: (number | null)[] = [];
      for (let first = from; first < to; first += AT_ONCE) {
        const hours = Array.from({ length: Math.min(AT_ONCE, to - first) }, (_, i) => first + i);
        totals.push(...(await Promise.all(hours.map((hour) => readTotal(summaryPath(analyticsDir, hour))))));
      }
      return totals;
    },

    /** The latest hour that has a summary. */
    async latest(): Promise<Hour | undefined> {
      const days = (await list(analyticsDir)).filter((name) => /^\d{4}-\d\d-\d\d$/.test(name)).sort();
      for (const day of days.reverse()) {
        const hours = (await list(join(analyticsDir, day))).flatMap((name) => {
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

async function readTotal(path: string): Promise<number | null> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path);
  } catch (error) {
    if (isAbsent(error)) return null;
    throw new Error(`cannot open summary path=${path}`, { cause: error });
  }
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(HEAD_BYTES) });
    const total = /"totalRequests":\s*(\d+)/.exec(buffer.toString('latin1', 0, bytesRead))?.[1];
    return total === undefined ? null : Number(total);
  } finally {
    await file.close();
  }
}

async function list(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw new Error(`cannot list path=${path}`, { cause: error });
  }
}
