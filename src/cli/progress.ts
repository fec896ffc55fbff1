import type { Io } from './command.ts';

const PROGRESS_INTERVAL_MS = 200;

/** One line that is overwritten again and again, on a terminal only. */
export function createProgress(stderr: Io['stderr'], now: () => number) {
  let last = now();
  let length = 0;
  return {
    show(text: string): void {
      if (stderr.isTTY !== true || now() - last < PROGRESS_INTERVAL_MS) return;
      last = now();
      const shown = text.slice(0, (stderr.columns ?? 80) - 1);
      stderr.write(`\r${shown.padEnd(length)}`);
      length = shown.length;
    },
    clear(): void {
      if (length > 0) stderr.write(`\r${' '.repeat(length)}\r`);
      length = 0;
    },
  };
}

const WITH_COMMAS = new Intl.NumberFormat('en-US');

/** `1,234` */
export function number(value: number): string {
  return WITH_COMMAS.format(value);
}

/** `1 record`, `1,234 records` */
export function count(value: number, one: string, many = `${one}s`): string {
  return `${number(value)} ${value === 1 ? one : many}`;
}
