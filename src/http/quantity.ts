const BYTE_UNITS = ['bytes', 'KiB', 'MiB', 'GiB'] as const;
const TIME_UNITS = [
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** `256 MiB` for 268435456: the largest unit that leaves a whole number. */
export function formatBytes(bytes: number): string {
  let count = bytes;
  let unit = 0;
  while (count !== 0 && count % 1_024 === 0 && unit < BYTE_UNITS.length - 1) {
    count /= 1_024;
    unit += 1;
  }
  return `${count} ${BYTE_UNITS[unit]}`;
}

/** `5 s` for 5000: the largest unit that leaves a whole number. */
export function formatMs(ms: number): string {
  for (const [unit, factor] of TIME_UNITS) if (ms !== 0 && ms % factor === 0) return `${ms / factor} ${unit}`;
  return `${ms} ms`;
}
