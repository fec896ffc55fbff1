import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../disk/missing.ts';
import { type Hour, type HourKey, hourKey, hourToPath, parseHour, type StreamHour } from '../model/hour.ts';
import { ACCESS_STREAM, isDefaultStream, isStreamName, type StreamName } from '../model/stream.ts';
import { streamFolder } from './stream-folders.ts';

/*
 * The data files, and the names that the journal has for them:
 *
 *   name                 file
 *   2015-05-17T10        <logsDir>/2015-05-17/10.log.json             an hour of the stream access
 *   events/2015-05-17T10 <logsDir>/events/2015-05-17/10.log.json      of any other
 *                        and the same with .zst: the hour in its compressed form
 *   dlq/2015-05-17       <dlqDir>/2015-05-17.ndjson                       a day of dead letters
 */
const NAME = /^(?:(?<folder>[^/]+)\/)?(?<time>.+)$/;
const DLQ_FOLDER = 'dlq';
const DLQ_FILE = /^(\d{4}-\d\d-\d\d)\.ndjson$/;

/** A reference to a data file. There is one object for each file, so references are compared with `===`. */
export type DataFile = HourDataFile | CompressedHourFile | DeadLetterFile;

/** An hour, and its file while it is plain. */
export interface HourDataFile extends StreamHour {
  readonly kind: 'hour';
  /** In the journal. */
  readonly name: string;
  readonly path: string;
  /** Its file once it is compressed. The journal says which of the two counts. */
  readonly compressed: CompressedHourFile;
}

/** The file of a compressed hour (hour-frames.ts). In the journal it has the name of its hour, and a form. */
export interface CompressedHourFile {
  readonly kind: 'compressed hour';
  readonly name: string;
  readonly path: string;
  readonly of: HourDataFile;
}

export interface DeadLetterFile {
  readonly kind: 'dead letters';
  readonly name: string;
  readonly path: string;
}

/** The hour whose records a file has; undefined for dead letters. */
export function hourOf(file: DataFile): HourDataFile | undefined {
  if (file.kind === 'compressed hour') return file.of;
  return file.kind === 'hour' ? file : undefined;
}

/** What a compressed hour's file is called beside its plain one. */
export const COMPRESSED = '.zst';

class HourReference implements HourDataFile {
  readonly kind = 'hour';
  readonly stream: StreamName;
  readonly hour: Hour;
  readonly name: string;
  readonly path: string;
  readonly compressed: CompressedHourFile;

  constructor(parts: StreamHour & { readonly name: string; readonly path: string }) {
    this.stream = parts.stream;
    this.hour = parts.hour;
    this.name = parts.name;
    this.path = parts.path;
    this.compressed = { kind: 'compressed hour', name: this.name, path: `${this.path}${COMPRESSED}`, of: this };
  }
}

export interface DataFolders {
  readonly logsDir: string;
  readonly dlqDir: string;
}

/**
 * Gives out the references to the data files of two folders. A reference lives as long as somebody holds it: a service
 * that stores the records of many years does not keep one for each of their hours.
 */
export class DataFiles {
  readonly #folders: DataFolders;
  /** Hours by their keys, and dead letters by their names. */
  readonly #known = new Map<HourKey, WeakRef<DataFile>>();
  readonly #dropped = new FinalizationRegistry<HourKey>((key) => {
    // By now there may be a new reference to the same file.
    if (this.#known.get(key)?.deref() === undefined) this.#known.delete(key);
  });

  constructor(folders: DataFolders) {
    this.#folders = folders;
  }

  ofHour({ stream, hour }: StreamHour): HourDataFile {
    const key = hourKey({ stream, hour });
    const known = this.#known.get(key)?.deref();
    if (known?.kind === 'hour') return known;
    const { day, hh } = hourToPath(hour);
    const name = isDefaultStream(stream) ? `${day}T${hh}` : `${stream}/${day}T${hh}`;
    const path = join(streamFolder(this.#folders.logsDir, stream), day, `${hh}.log.json`);
    return this.#remember(key, new HourReference({ stream, hour, name, path }));
  }

  /** The file for dead letters of `time`, Unix milliseconds: one a UTC day. */
  ofDeadLetters(time: number): DataFile {
    return this.ofDeadLetterDay(new Date(time).toISOString().slice(0, 10));
  }

  /** The files of dead letters that are there, oldest first. */
  async listDeadLetters(): Promise<DataFile[]> {
    const names = await readdir(this.#folders.dlqDir).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    });
    const days = names.flatMap((name) => DLQ_FILE.exec(name)?.[1] ?? []).sort();
    return days.map((day) => this.ofDeadLetterDay(day));
  }

  /** The file that the journal calls by this name. Throws when it is the name of no data file. */
  named(name: string): DataFile {
    const { folder, time = '' } = NAME.exec(name)?.groups ?? {};
    if (folder === DLQ_FOLDER && parseHour(`${time}T00`) !== undefined) return this.ofDeadLetterDay(time);
    const hour = parseHour(time);
    const isOfStream = folder === undefined || (isStreamName(folder) && !isDefaultStream(folder));
    if (hour === undefined || !isOfStream)
      throw new Error(`cannot tell which data file the journal means by name=${name}`);
    return this.ofHour({ stream: folder ?? ACCESS_STREAM.name, hour });
  }

  /** The file for dead letters of a UTC day, `2015-05-17`. */
  ofDeadLetterDay(day: string): DataFile {
    const name = `${DLQ_FOLDER}/${day}`;
    const known = this.#known.get(name)?.deref();
    if (known !== undefined) return known;
    const path = join(this.#folders.dlqDir, `${day}.ndjson`);
    return this.#remember(name, { kind: 'dead letters', name, path });
  }

  #remember<File extends DataFile>(key: HourKey, file: File): File {
    this.#known.set(key, new WeakRef(file));
    this.#dropped.register(file, key);
    return file;
  }
}
