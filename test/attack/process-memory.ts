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
