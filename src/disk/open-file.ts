import type { Stats } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { isAbsent } from './missing.ts';

/** A file that is open to be sent. It keeps its content when another takes its name. */
export interface OpenFile {
  readonly bytes: number;
  /** See `fileVersion`. */
  readonly version: string;
  /** The next bytes, undefined at the end. Each call gives memory of its own. Rejects where the file ends before `bytes`. */
  next(): Promise<Uint8Array | undefined>;
  /** Never rejects, and may be called again. */
  close(): Promise<void>;
}

/** What changes whenever a file is replaced, or changed in place. */
export function fileVersion({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}

const CHUNK_BYTES = 64 * 1024;

/** Undefined where there is none. `remove`: the name goes at once, and the content with the last reader. */
export async function openFile(
  path: string,
  { remove = false, chunkBytes = CHUNK_BYTES } = {},
): Promise<OpenFile | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw new Error(`cannot open path=${path}`, { cause: error });
  }
  try {
    if (remove) await unlink(path);
    const stat = await file.stat();
    return readSlices(file, { path, bytes: stat.size, version: fileVersion(stat), chunkBytes });
  } catch (error) {
    await file.close();
    throw new Error(`cannot open path=${path}`, { cause: error });
  }
}

function readSlices(
  file: FileHandle,
  {
    path,
    bytes,
    version,
    chunkBytes,
  }: { readonly path: string; readonly bytes: number; readonly version: string; readonly chunkBytes: number },
): OpenFile {
  let at = 0;
  let closed: Promise<void> | undefined;
  return {
    bytes,
    version,
    async next() {
      if (at >= bytes) return undefined;
      const buffer = Buffer.allocUnsafeSlow(Math.min(chunkBytes, bytes - at));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error(`cannot read path=${path}: it ends after ${at} of ${bytes} bytes`);
      at += bytesRead;
      return buffer.subarray(0, bytesRead);
    },
    close() {
      closed ??= file.close().catch(() => undefined);
      return closed;
    },
  };
}

/** Bytes in memory, as a file that is open. */
export function openBytes(bytes: Uint8Array): OpenFile {
  let rest: Uint8Array | undefined = bytes.length === 0 ? undefined : bytes;
  return {
    bytes: bytes.length,
    version: '',
    async next() {
      const chunk = rest?.subarray(0, CHUNK_BYTES);
      rest = rest !== undefined && rest.length > CHUNK_BYTES ? rest.subarray(CHUNK_BYTES) : undefined;
      return chunk;
    },
    close: async () => {
      rest = undefined;
    },
  };
}
