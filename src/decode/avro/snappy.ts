/*
 * Unpacks one block of the raw format of Snappy:
 *
 *   length of the text, varint | element*
 *   element = tag | literal: the bytes of the text themselves, or copy: a length and how far back the bytes to repeat begin
 *
 * Of our own, because a library in WebAssembly traps on damaged bytes and keeps the memory of that call.
 * Source: https://github.com/google/snappy/blob/main/format_description.txt
 */

const MAX_LENGTH_BYTES = 5;
/** A literal of up to this length has it in its tag. */
const SHORT_LITERAL = 60;

/** The length that the block says it unpacks to, and where its elements begin; undefined where it does not say. */
export function snappyLength(packed: Buffer): { readonly length: number; readonly start: number } | undefined {
  let length = 0;
  for (let i = 0; i < MAX_LENGTH_BYTES && i < packed.length; i++) {
    const byte = packed[i] as number;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { length, start: i + 1 };
  }
  return undefined;
}

/** The text, or undefined where the block is damaged. `length` and `start` are those of snappyLength. */
export function unpackSnappy(packed: Buffer, length: number, start: number): Buffer | undefined {
  const text = Buffer.allocUnsafe(length);
  let used = 0;
  let at = start;
  while (at < packed.length) {
    const tag = packed[at++] as number;
    const kind = tag & 3;
    if (kind === 0) {
      let count = (tag >>> 2) + 1;
      if (count > SHORT_LITERAL) {
        const bytes = count - SHORT_LITERAL;
        if (at + bytes > packed.length) return undefined;
        count = packed.readUIntLE(at, bytes) + 1;
        at += bytes;
      }
      if (count > packed.length - at || count > length - used) return undefined;
      packed.copy(text, used, at, at + count);
      used += count;
      at += count;
      continue;
    }
    const bytes = kind === 3 ? 4 : kind;
    if (at + bytes > packed.length) return undefined;
    const count = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    const back = kind === 1 ? ((tag >>> 5) << 8) | (packed[at] as number) : packed.readUIntLE(at, bytes);
    at += bytes;
    if (back === 0 || back > used || count > length - used) return undefined;
    // One by one, since the bytes to repeat may be among those that are written.
    for (const to = used + count; used < to; used++) text[used] = text[used - back] as number;
  }
  return used === length ? text : undefined;
}
