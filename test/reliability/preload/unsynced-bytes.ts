import type * as fs from 'node:fs';

/** The functions of Node.js as they were before they were replaced. */
export type RealFs = Pick<typeof fs, 'fstatSync' | 'openSync' | 'readSync' | 'writeSync' | 'closeSync'>;

/** Keeps what stood where a file is written, so that a failed sync can drop what was written. */
export interface UnsyncedBytes {
  /** Before a write of `length` bytes at `position` . */
  beforeWrite(path: string, write: { readonly position: number; readonly length: number }): void;
  synced(path: string): void;
  /** Of every file. */
  forget(): void;
  /** The file is as before the first write since the last sync; it keeps its length, with zeros. */
  drop(path: string): void;
}

interface Before {
  readonly position: number;
  readonly bytes: Buffer;
}

export function createUnsyncedBytes(real: RealFs): UnsyncedBytes {
  const writes = new Map<string, Before[]>();
  return {
    beforeWrite(path, { position, length }) {
      const bytes = Buffer.alloc(length);
      // The descriptor of the writer may be open for writing only.
      const own = real.openSync(path, 'r');
      try {
        real.readSync(own, bytes, 0, length, position);
      } finally {
        real.closeSync(own);
      }
      writes.set(path, [...(writes.get(path) ?? []), { position, bytes }]);
    },
    synced: (path) => void writes.delete(path),
    forget: () => writes.clear(),
    drop(path) {
      const own = real.openSync(path, 'r+');
      try {
        for (const { position, bytes } of (writes.get(path) ?? []).reverse()) {
          const { size } = real.fstatSync(own);
          const length = Math.min(bytes.length, size - position);
          if (length > 0) real.writeSync(own, bytes, 0, length, position);
        }
      } finally {
        real.closeSync(own);
      }
      writes.delete(path);
    },
  };
}
