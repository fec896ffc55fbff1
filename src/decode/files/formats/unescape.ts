import { isUtf8 } from 'node:buffer';

const BACKSLASH = 0x5c;
const LOWER_X = 0x78;
const NAMED: ReadonlyMap<number, number> = new Map(
  Object.entries({ b: '\b', n: '\n', r: '\r', t: '\t', v: '\v' }).map(([name, means]) => [
    name.charCodeAt(0),
    means.charCodeAt(0),
  ]),
);

/** Undoes `\"`, `\\`, `\n` and `\xhh` as nginx and Apache write them; bytes that are not UTF-8 together stay as they were written. */
export function unescapeLog(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes = Buffer.from(text);
  let used = 0;
  for (let at = 0; at < bytes.length; used++) {
    const byte = bytes[at++] as number;
    if (byte !== BACKSLASH || at === bytes.length) {
      bytes[used] = byte;
    } else if (bytes[at] === LOWER_X && isHex(bytes[at + 1]) && isHex(bytes[at + 2])) {
      bytes[used] = (digitValue(bytes[at + 1]) << 4) | digitValue(bytes[at + 2]);
      at += 3;
    } else {
      const named = bytes[at++] as number;
      bytes[used] = NAMED.get(named) ?? named;
    }
  }
  const unescaped = bytes.subarray(0, used);
  return isUtf8(unescaped) ? unescaped.toString() : text;
}

function isHex(byte = 0): boolean {
  return (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}

function digitValue(byte = 0): number {
  return byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x61 + 10;
}
