import { readdir } from 'node:fs/promises';

/** The file names of one log's segments: a number between two texts. */
export interface SegmentNames {
  of(number: number): string;
  /** The number of a segment; undefined for the name of another file. */
  parse(name: string): number | undefined;
  /** The numbers of the segments in a folder, in ascending order. */
  list(folder: string): Promise<number[]>;
}

export function createSegmentNames(form: {
  readonly prefix: string;
  /** Numbers are padded with zeros to this many digits. */
  readonly digits: number;
  readonly suffix: string;
}): SegmentNames {
  const { prefix, digits, suffix } = form;
  const of = (number: number): string => `${prefix}${String(number).padStart(digits, '0')}${suffix}`;
  const parse = (name: string): number | undefined => {
    const text = name.slice(prefix.length, name.length - suffix.length);
    if (!/^\d+$/.test(text)) return undefined;
    return of(Number(text)) === name ? Number(text) : undefined;
  };
  const list = async (folder: string): Promise<number[]> =>
    (await readdir(folder)).flatMap((name) => parse(name) ?? []).sort((a, b) => a - b);
  return { of, parse, list };
}
