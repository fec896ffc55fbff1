import type { Batch } from '../generate.ts';

/** Whole frames of a batch. */
export interface Piece {
  readonly bytes: Buffer;
  readonly records: number;
}

/** A batch as pieces of whole frames, each of at most `maxBytes`. A frame that is larger is a piece of its own. */
export function* piecesOf({ bytes, ends, records }: Batch, maxBytes: number): Generator<Piece, void, undefined> {
  if (bytes.length <= maxBytes) {
    yield { bytes, records };
    return;
  }
  let start = 0;
  let first = 0;
  for (let i = 0; i < ends.length; i++) {
    const end = ends[i] as number;
    const next = ends[i + 1];
    if (next !== undefined && next - start <= maxBytes) continue;
    yield { bytes: bytes.subarray(start, end), records: i + 1 - first };
    start = end;
    first = i + 1;
  }
}
