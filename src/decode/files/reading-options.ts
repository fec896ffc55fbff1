import type { FieldMap } from '../../model/field-map.ts';
import type { Stream } from '../../model/stream.ts';
import type { FileFormat } from './file-reading.ts';

export interface ReadingOptions {
  /** Of the file. An ending `.csv` counts where the first bytes leave it open. */
  readonly name: string;
  /** Of the records. */
  readonly stream: Stream;
  /** Named by the user: the file is read as this, whatever it looks like. */
  readonly format?: FileFormat | undefined;
  /** What the file was recognised as when it was first read (FileReading.format). `format` counts more. */
  readonly recognised?: FileFormat | undefined;
  /** Of times that name none: minutes east of UTC. */
  readonly zone: number;
  /** `core`: the required fields of the stream alone. */
  readonly fields: 'all' | 'core';
  /** Where the fields stand in lines and elements of JSON; absent: in the shapes that are known. */
  readonly map?: FieldMap | undefined;
  /** Of text that names none. */
  readonly service?: string | undefined;
  /**
   * When a text came that names no time, Unix milliseconds. Where slices are known by their content alone, it must be the same whenever a slice is
   * read again.
   */
  readonly arrival: () => number;
  /** Text without a time is unreadable. */
  readonly needsTime?: boolean;
}
