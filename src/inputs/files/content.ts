import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { PackedEnd } from '../../disk/packed.ts';
import { packingOf, unpack } from '../../disk/unpack.ts';
import { FORMAT_BYTES } from './files.ts';
import { readAt } from './identity.ts';

/** What stands in a file, after unpacking. */
export interface Content {
  /** Its first bytes: FORMAT_BYTES, or all there are for now. */
  readonly head: Buffer;
  /** Bytes, where they are known before it is read. */
  readonly size: number | undefined;
  /** The bytes from this offset on, in pieces of any length; `quiet`: nothing came for a while. Called once. Returns how the content ended. */
  pieces(from: number): AsyncGenerator<Buffer | 'quiet', PackedEnd>;
  /** Lets go of what it reads from, which may still be waiting for a byte. */
  close(): void;
}

/** Several blocks: of the slices in one piece only the first must be put together with the end of the piece before. */
const PIECE_BYTES = 1024 * 1024;
const LEAST_BYTES = 64 * 1024;
const NEWLINE = 10;

/** The content of a regular file. Reads on its descriptor, which the caller closes; packed content is read from its start. */
export async function openFileContent(handle: FileHandle, { size }: Stats): Promise<Content> {
  const head = await readAt(handle, 0, FORMAT_BYTES);
  if (packingOf(head) !== 'plain') return openStreamContent(piecesFrom(handle, 0, size), Number.POSITIVE_INFINITY);
  return {
    head,
    size,
    async *pieces(from) {
      yield* piecesFrom(handle, from, size);
      return 'whole';
    },
    close() {},
  };
}

/** The content of a pipe. `quietMs`: after so long without a byte `pieces` says so, and the head is what has come if there is a line. */
export async function openStreamContent(packed: AsyncIterable<Buffer>, quietMs: number): Promise<Content> {
  const unpacked = unpack(packed);
  const steps = withPauses(unpacked, quietMs);
  const begun: Buffer[] = [];
  let bytes = 0;
  let ended: IteratorReturnResult<PackedEnd> | undefined;
  let failure: unknown;
  let hasLine = false;
  let isQuiet = false;
  while (bytes < FORMAT_BYTES && ended === undefined && failure === undefined && !isQuiet) {
    try {
      const step = await steps.next();
      if (step.done === true) ended = step;
      else if (step.value !== 'quiet') {
        begun.push(step.value);
        bytes += step.value.length;
        hasLine ||= step.value.includes(NEWLINE);
      } else isQuiet = hasLine;
    } catch (error) {
      failure = error;
    }
  }
  const first = Buffer.concat(begun);
  if (first.length === 0 && failure !== undefined) throw failure;
  return {
    head: first.subarray(0, FORMAT_BYTES),
    size: undefined,
    async *pieces(from) {
      let skip = from;
      if (first.length > skip) yield first.subarray(skip);
      if (isQuiet) yield 'quiet';
      skip = Math.max(0, skip - first.length);
      if (failure !== undefined) throw failure;
      if (ended !== undefined) return ended.value;
      for (;;) {
        const step = await steps.next();
        if (step.done === true) return step.value;
        if (step.value === 'quiet' || skip === 0) yield step.value;
        else if (step.value.length > skip) yield step.value.subarray(skip);
        if (step.value !== 'quiet') skip = Math.max(0, skip - step.value.length);
      }
    },
    close() {
      // Not awaited: it waits for the bytes that are being read, and of a pipe they may never come.
      unpacked.return('whole').catch(() => {});
    },
  };
}

/** `size`: of the file, as far as is known. One byte more is asked for, whose absence says that this was the end. */
async function* piecesFrom(handle: FileHandle, from: number, size: number): AsyncGenerator<Buffer, undefined> {
  for (let offset = from; ; ) {
    const length = Math.min(Math.max(size - offset + 1, LEAST_BYTES), PIECE_BYTES);
    const piece = await readAt(handle, offset, length);
    if (piece.length > 0) yield piece;
    if (piece.length < length) return;
    offset += piece.length;
  }
}

/** The same pieces, with one `quiet` where no next one came for so many milliseconds. */
async function* withPauses<End>(
  pieces: AsyncGenerator<Buffer, End>,
  quietMs: number,
): AsyncGenerator<Buffer | 'quiet', End> {
  for (;;) {
    const next = pieces.next();
    if (quietMs < Number.POSITIVE_INFINITY && (await takesLonger(next, quietMs))) yield 'quiet';
    const step = await next;
    if (step.done === true) return step.value;
    yield step.value;
  }
}

/** Whether it takes longer; its failure is left to whoever awaits it. */
async function takesLonger(next: Promise<unknown>, quietMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const quiet = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, quietMs, true);
  });
  const came = next.then(
    () => false,
    () => false,
  );
  try {
    return await Promise.race([came, quiet]);
  } finally {
    clearTimeout(timer);
  }
}
