import { UnreadableFileError } from './file-reading.ts';

/** Files that are no text, by their first bytes, and what makes text of them. Packed files that can be unpacked do not come here. */
const SIGNATURES: readonly { readonly bytes: string; readonly at?: number; readonly what: string }[] = [
  { bytes: 'PK\x03\x04', what: 'a zip archive: unzip it first' },
  { bytes: '7z\xbc\xaf\x27\x1c', what: 'a 7z archive: unpack it first' },
  { bytes: 'ustar', at: 257, what: 'a tar archive: unpack it first' },
  { bytes: '\x04\x22\x4d\x18', what: 'packed by lz4: lz4 -dc FILE | logforge replay -' },
  { bytes: '\x1f\x9d', what: 'packed by compress: zcat FILE | logforge replay -' },
  { bytes: 'LPKSHHRH', what: 'a journal of systemd: journalctl -o json --file FILE | logforge replay -' },
  { bytes: 'SQLite format 3\0', what: 'a SQLite database' },
  { bytes: 'PAR1', what: 'a Parquet file' },
];

/** Bytes by which UTF-16 without a byte order mark is known. */
const UTF16_SAMPLE = 64;

/** Throws UnreadableFileError where the first bytes of a file show that it is no text of UTF-8. */
export function checkHead(head: Buffer): void {
  const text = head.toString('latin1', 0, 512);
  for (const { bytes, at = 0, what } of SIGNATURES) {
    if (text.startsWith(bytes, at)) throw new UnreadableFileError(`the file is no text: it is ${what}`);
  }
  const wide = utf16Of(head);
  if (wide !== undefined) {
    throw new UnreadableFileError(
      `the file is text in ${wide}, expected UTF-8: iconv -f ${wide} -t UTF-8 FILE | logforge replay -`,
    );
  }
}

function utf16Of(head: Buffer): 'UTF-16LE' | 'UTF-16BE' | undefined {
  if (head[0] === 0xff && head[1] === 0xfe) return 'UTF-16LE';
  if (head[0] === 0xfe && head[1] === 0xff) return 'UTF-16BE';
  const sample = head.subarray(0, UTF16_SAMPLE);
  if (sample.length < UTF16_SAMPLE) return undefined;
  const isZero = (parity: number) => sample.every((byte, at) => (byte === 0) === (at % 2 === parity));
  if (isZero(1)) return 'UTF-16LE';
  return isZero(0) ? 'UTF-16BE' : undefined;
}
