import { isUtf8 } from 'node:buffer';
import { BYTES } from '../model/bytes.ts';
import type { Chunk } from '../model/chunk.ts';
import { hourToIso } from '../model/hour.ts';

const { NEWLINE, CLOSE_BRACE } = BYTES;

/**
 * Whether a chunk holds what it says: `count` whole lines of UTF-8, each of which begins as a stored line of its hour does and
 * ends with a brace. What stands between the two is not read: that would cost as much as decoding. A producer that may
 * write to the topic and forges lines with care can still store a line that is no JSON; every reader counts it as skipped.
 *
 * One pass at about 8 million lines, or 1 GB, a second.
 */
export function areStoredLines({ hour, count, lines }: Chunk): boolean {
  const head = Buffer.from(`{"timestamp":"${hourToIso(hour).slice(0, 'YYYY-MM-DDTHH:'.length)}`);
  if (lines.at(-1) !== NEWLINE || !isUtf8(lines)) return false;
  let found = 0;
  for (let at = 0; at < lines.length; found++) {
    const end = lines.indexOf(NEWLINE, at);
    if (end - at <= head.length || lines[end - 1] !== CLOSE_BRACE || !beginsWith(lines, at, head)) return false;
    at = end + 1;
  }
  return found === count;
}

/** FAST PATH: `compare` crosses into native code, which takes five times as long for so few bytes. */
function beginsWith(lines: Buffer, at: number, head: Buffer): boolean {
  for (let i = 0; i < head.length; i++) if (lines[at + i] !== head[i]) return false;
  return true;
}
