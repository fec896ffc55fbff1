import { readFile } from 'node:fs/promises';

/** Megabytes of memory of a process, and the CPU seconds that it has used. Source: proc(5), /proc/PID/status and stat. */
export async function readProcess(pid: number): Promise<{ readonly megabytes: number; readonly cpuSeconds: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // After the name in brackets: state is field 3, utime 14, stime 15, in ticks of 10 ms.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const kibibytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  return { megabytes: kibibytes / 1024, cpuSeconds: ticks / 100 };
}

/** Samples the memory of a process ten times a second. */
export function watchMemory(pid: number): { stop(): Promise<{ readonly peakMegabytes: number }> } {
  let peakMegabytes = 0;
  const sample = async () => {
    // The process may have ended: then the last sample stands.
    const now = await readProcess(pid).catch(() => undefined);
    peakMegabytes = Math.max(peakMegabytes, now?.megabytes ?? 0);
  };
  const timer = setInterval(() => void sample(), 100);
  return {
    stop: async () => {
      clearInterval(timer);
      await sample();
      return { peakMegabytes };
    },
  };
}

/** CPU seconds of the whole machine since its boot: busy, stolen time included, and all. Source: proc(5), /proc/stat. */
export async function readMachine(): Promise<{ readonly busySeconds: number; readonly allSeconds: number }> {
  const ticks =
    /^cpu +(.*)$/m
      .exec(await readFile('/proc/stat', 'utf8'))?.[1]
      ?.split(' ')
      .slice(0, 8)
      .map(Number) ?? [];
  const all = ticks.reduce((sum, value) => sum + value, 0);
  // idle and iowait
  const free = (ticks[3] ?? 0) + (ticks[4] ?? 0);
  return { busySeconds: (all - free) / 100, allSeconds: all / 100 };
}

/** CPU seconds of this process, and of its children that have ended. Source: proc(5), /proc/PID/stat, fields 14 to 17. */
export async function readFamily(): Promise<number> {
  const stat = await readFile('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
}
