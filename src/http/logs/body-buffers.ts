/*
 * Memory for request bodies, used again and again. A hundred megabytes of new buffers a second make V8 mark its whole heap
 * several times a second. That took more CPU time than decoding and storing the bodies.
 */

/** Bodies below this take their bytes from Node's own slabs. */
const MIN_BYTES = 4 * 1024;
/** Larger ones are rare, and not worth keeping memory for. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Free memory kept for later, at most. */
const MAX_FREE_BYTES = 32 * 1024 * 1024;

export interface BodyBuffers {
  /** A buffer of exactly `bytes`. It still has the content of its last use. */
  take(bytes: number): Buffer;
  /** Gives back a buffer from `take`, for the next body. Ignores any other buffer, and memory that went to another thread. */
  give(buffer: Buffer): void;
  /** Adds memory that nobody else uses: it went to another thread and came back. */
  adopt(memory: ArrayBuffer): void;
}

export function createBodyBuffers(): BodyBuffers {
  const free = new Map<number, ArrayBuffer[]>();
  const taken = new WeakSet<ArrayBufferLike>();
  let freeBytes = 0;

  const keep = (memory: ArrayBuffer): void => {
    const size = memory.byteLength;
    if (freeBytes + size > MAX_FREE_BYTES) return;
    const same = free.get(size);
    if (same === undefined) free.set(size, [memory]);
    else same.push(memory);
    freeBytes += size;
  };

  return {
    take(bytes) {
      if (bytes < MIN_BYTES) return Buffer.allocUnsafe(bytes);
      if (bytes > MAX_BYTES) return Buffer.allocUnsafeSlow(bytes);
      // Powers of two. Pages that are never written cost addresses, no memory.
      const size = 2 ** (32 - Math.clz32(bytes - 1));
      let memory = free.get(size)?.pop();
      if (memory === undefined) memory = Buffer.allocUnsafeSlow(size).buffer;
      else freeBytes -= size;
      taken.add(memory);
      return Buffer.from(memory, 0, bytes);
    },
    give({ buffer }) {
      // Once only. Otherwise two bodies would share the memory.
      if (taken.delete(buffer) && buffer instanceof ArrayBuffer && !buffer.detached) keep(buffer);
    },
    adopt(memory) {
      const { byteLength: size } = memory;
      const isOfAClass = size >= MIN_BYTES && size <= MAX_BYTES && Number.isInteger(Math.log2(size));
      if (isOfAClass) keep(memory);
    },
  };
}
