/*
 * The header of a frame, as the universal port has it on the wire and blocks of frames in memory:
 *
 *   kind u8 | bytes of the payload u32, big endian | payload
 */

export const HEADER_BYTES = 5;

/** What a payload is, by the first byte of its header. */
export const FRAME_KINDS = { json: 1, protobuf: 2, avro: 3, text: 4 } as const;
export type FrameKind = keyof typeof FRAME_KINDS;

const NAMES: readonly string[] = Object.keys(FRAME_KINDS);

/** Whether a kind is one of FRAME_KINDS. */
export function isFrameKind(kind: number): boolean {
  return kind >= 1 && kind <= NAMES.length;
}

/** Writes the header of a payload of `bytes` at `at`; gives the offset after it. */
export function writeHeader(to: Buffer, at: number, kind: number, bytes: number): number {
  to[at] = kind;
  return to.writeUInt32BE(bytes, at + 1);
}
