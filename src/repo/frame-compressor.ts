import { constants, createZstdCompress, type ZstdCompress } from 'node:zlib';

/** Of lines that are copied side by side; what is longer gets memory of its own. */
const LINES_BYTES = 1024 * 1024;
/** Of the output: a frame of a megabyte takes about a tenth. */
const CHUNK_BYTES = 256 * 1024;
const OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 }, chunkSize: CHUNK_BYTES };

interface Job {
  readonly buffers: readonly Buffer[];
  readonly bytes: number;
  resolve(zstd: Buffer[]): void;
  reject(error: unknown): void;
}

/**
 * Compresses frames in the threads of zlib's pool, so many at a time, in compressors that are used again. A compressor and a copy of the
 * lines for each frame would be megabytes outside of V8's heap, and V8 marks its whole heap for each 64 MB of those. With batches of 1000
 * that took as long as all else: 1.75 CPU seconds a million records in place of 0.88 (`node bench/suite.ts --compression none,zstd`).
 */
export class FrameCompressor {
  readonly #idle: Compressor[] = [];
  readonly #waiting: Job[] = [];
  #made = 0;
  readonly #atOnce: number;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** One zstd frame of these bytes, in pieces. The caller must not change them until it resolves. */
  compress(buffers: readonly Buffer[], bytes: number): Promise<Buffer[]> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer[]>();
    this.#waiting.push({ buffers, bytes, resolve, reject });
    this.#next();
    return promise;
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const compressor = this.#idle.pop() ?? this.#make();
      const job = compressor && this.#waiting.shift();
      if (compressor === undefined || job === undefined) return;
      compressor.compress(job.buffers, job.bytes).then(
        (zstd) => {
          this.#idle.push(compressor);
          job.resolve(zstd);
          this.#next();
        },
        (error: unknown) => {
          compressor.destroy();
          this.#made--;
          job.reject(error);
          this.#next();
        },
      );
    }
  }

  #make(): Compressor | undefined {
    if (this.#made === this.#atOnce) return undefined;
    this.#made++;
    return new Compressor();
  }
}

/** One at a time. */
class Compressor {
  readonly #stream: ZstdCompress = createZstdCompress(OPTIONS);
  /** The lines of a frame, side by side. */
  readonly #lines = Buffer.allocUnsafeSlow(LINES_BYTES);
  #output: Buffer[] = [];
  #reject: (error: unknown) => void = () => undefined;

  constructor() {
    this.#stream.on('data', (part: Buffer) => this.#output.push(part));
    this.#stream.on('error', (error) => this.#reject(error));
  }

  compress(buffers: readonly Buffer[], bytes: number): Promise<Buffer[]> {
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#output = [];
      this.#stream.write(this.#join(buffers, bytes));
      // The frame ends, and the next write begins another.
      this.#stream.flush(constants.ZSTD_e_end, () => resolve(this.#output));
    });
  }

  destroy(): void {
    this.#stream.destroy();
  }

  #join(buffers: readonly Buffer[], bytes: number): Buffer {
    const [only] = buffers;
    if (buffers.length === 1 && only !== undefined) return only;
    if (bytes > this.#lines.length) return Buffer.concat(buffers, bytes);
    let at = 0;
    for (const buffer of buffers) at += buffer.copy(this.#lines, at);
    return this.#lines.subarray(0, at);
  }
}
