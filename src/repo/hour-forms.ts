import type { FileSystem } from '../disk/file-system.ts';
import type { Log } from '../log.ts';
import type { StreamName } from '../model/stream.ts';
import type { CompressedHourFile, DataFile, HourDataFile } from './data-files.ts';
import { type FramesLength, findLastFrame } from './frames-file.ts';
import type { CommittedState } from './state.ts';

/** How the hours of a stream are stored when they are new. */
export type Compression = 'none' | 'zstd';

/**
 * Which file has the records of an hour: the plain one or the compressed one. The journal says it. Of an hour that the journal does not
 * know, the disk says it; of a new one, the configuration.
 */
export class HourForms {
  readonly #files: FileSystem;
  readonly #state: CommittedState;
  readonly #compressionOf: (stream: StreamName) => Compression;
  readonly #log: Pick<Log, 'warn'> | undefined;

  constructor(options: {
    readonly files: FileSystem;
    readonly state: CommittedState;
    readonly compressionOf: (stream: StreamName) => Compression;
    /** Undefined for a reader that tells nobody. */
    readonly log: Pick<Log, 'warn'> | undefined;
  }) {
    this.#files = options.files;
    this.#state = options.state;
    this.#compressionOf = options.compressionOf;
    this.#log = options.log;
  }

  /** The file that records for `file` go to: of an hour, the one of its form. */
  fileFor(file: DataFile): DataFile | Promise<DataFile> {
    if (file.kind !== 'hour') return file;
    return this.#state.fileOf(file) ?? this.#fileOnDisk(file);
  }

  async #fileOnDisk(hour: HourDataFile): Promise<DataFile> {
    return (await this.find(hour)) ?? (this.#compressionOf(hour.stream) === 'zstd' ? hour.compressed : hour);
  }

  /** The file that is there and counts; undefined where there is none. */
  async find(hour: HourDataFile): Promise<HourDataFile | CompressedHourFile | undefined> {
    const known = this.#state.fileOf(hour);
    if (known !== undefined) return known;
    const plain = this.#files.statusAt(hour.path);
    const compressed = this.#files.statusAt(hour.compressed.path);
    if (compressed === undefined) return plain && hour;
    if (plain === undefined) return hour.compressed;
    // A folder, a link or a FIFO has no records.
    if (!compressed.isFile) return hour;
    if (!plain.isFile) return hour.compressed;
    return this.#chooseLonger(hour, { plain: plain.size, compressed: compressed.size });
  }

  /** Both files are there: compressing was interrupted, or somebody put one there. No record may be lost. */
  async #chooseLonger(
    hour: HourDataFile,
    sizes: { readonly plain: number; readonly compressed: number },
  ): Promise<HourDataFile | CompressedHourFile> {
    const { path } = hour.compressed;
    const { lines } = await this.framesIn(path, sizes.compressed).catch(() => ({ lines: -1 }));
    const chosen = lines >= sizes.plain ? hour.compressed : hour;
    this.#log?.warn('an hour has a plain and a compressed file; the one with more lines counts', {
      file: chosen.path,
      plain: sizes.plain,
      compressed: Math.max(0, lines),
    });
    return chosen;
  }

  /** What a compressed hour has on disk. ForeignHourError when logforge did not write it. */
  async framesIn(path: string, size: number): Promise<FramesLength> {
    const fd = await this.#files.openToRead(path);
    try {
      return await findLastFrame(this.#files, fd, { path, size });
    } finally {
      await this.#files.close(fd);
    }
  }
}
