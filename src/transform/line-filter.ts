import { BYTES } from '../model/bytes.ts';
import { compilePattern } from './pattern.ts';
import type { FilterLines } from './transform.ts';

const { NEWLINE, RETURN } = BYTES;

/** Keeps the lines whose text matches the pattern. Throws PatternError. */
export function createLineFilter(pattern: string): FilterLines {
  const matches = compilePattern(pattern);
  return function filterLines(block) {
    const kept = Buffer.allocUnsafe(block.length);
    let used = 0;
    let leftOut = 0;
    for (let start = 0; start < block.length; ) {
      const newline = block.indexOf(NEWLINE, start);
      const next = newline < 0 ? block.length : newline + 1;
      const end = textEnd(block, start, newline < 0 ? block.length : newline);
      if (end === start || matches(block, start, end)) used += block.copy(kept, used, start, next);
      else {
        leftOut++;
        if (newline >= 0) kept[used++] = NEWLINE;
      }
      start = next;
    }
    return { block: kept.subarray(0, used), leftOut };
  };
}

function textEnd(block: Buffer, start: number, end: number): number {
  return end > start && block[end - 1] === RETURN ? end - 1 : end;
}
