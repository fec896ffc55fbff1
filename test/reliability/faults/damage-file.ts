import type { Random } from '../../support/random.ts';

/** What was done to a file. */
export interface Damage {
  readonly path: string;
  /** In a few words, with the offset. */
  readonly text: string;
  /** The lines that were changed or cut off, as they were. */
  readonly lines: readonly string[];
  /** Whether one of those lines is not JSON any more. */
  readonly breaksJson: boolean;
  /** Whether the end was cut off, as an unfinished write would leave it. */
  readonly isTail: boolean;
}

const SECTOR = 512;
const FEW_BITS = 4;
const FEW_BITS_WITHIN = 64;
const MAX_TAIL = 3_000;

/** Flips one bit or a few, makes a sector zeros, or cuts off the tail, of the bytes before the zeros at the end. */
export function damageFile(path: string, before: Buffer, random: Random): Damage & { readonly bytes: Buffer } {
  const length = before.findLastIndex((byte) => byte !== 0) + 1;
  const at = random.int(0, length - 1);
  const kind = random.pick(['bit', 'bit', 'bits', 'sector', 'tail'] as const);
  let bytes: Buffer = Buffer.from(before);
  let text = `${kind} at ${at}`;
  if (kind === 'bit') flip(bytes, at, random);
  else if (kind === 'bits') {
    for (let left = random.int(2, FEW_BITS); left > 0; left--) {
      flip(bytes, Math.min(length - 1, at + random.int(0, FEW_BITS_WITHIN)), random);
    }
  } else if (kind === 'sector') {
    const start = at - (at % SECTOR);
    bytes.fill(0, start, Math.min(start + SECTOR, length));
  } else {
    const cut = Math.max(0, length - random.int(1, MAX_TAIL));
    text = `tail from ${cut}`;
    bytes = bytes.subarray(0, cut);
  }
  const lines = changedLines(before, bytes);
  return {
    path,
    bytes,
    text: `${text} of ${length}`,
    lines,
    breaksJson: bytes
      .toString('utf8')
      .split('\n')
      .some((line) => line !== '' && !isJson(line)),
    isTail: kind === 'tail',
  };
}

function flip(bytes: Buffer, at: number, random: Random): void {
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(0, 7));
}

/** The lines of `before` in which a byte differs, and those that lost the newline before them. */
function changedLines(before: Buffer, after: Buffer): string[] {
  const lines: string[] = [];
  for (let start = 0; start < before.length; ) {
    const newline = before.indexOf(10, start);
    const end = newline < 0 ? before.length : newline + 1;
    const isJoined = start > 0 && after[start - 1] !== 10;
    if (isJoined || before.compare(after, Math.min(start, after.length), Math.min(end, after.length), start, end) !== 0)
      lines.push(before.toString('utf8', start, newline < 0 ? end : newline));
    start = end;
  }
  return lines;
}

function isJson(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null;
  } catch {
    return false;
  }
}
