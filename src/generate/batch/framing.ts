import { HEADER_BYTES, writeHeader } from '../../lines/frame-header.ts';
import type { Encoding, Framing } from '../generate.ts';

/** What stands before and after the payload at `index`. */
export type Around = (payloads: readonly Buffer[], index: number) => readonly [string | Buffer, string | Buffer];

/** Throws RangeError for a body of a format that has none. */
export function createFraming(framing: Framing, { kind, body }: Pick<Encoding, 'kind' | 'body'>): Around {
  switch (framing) {
    case 'newline':
      return () => ['', '\n'];
    case 'single':
      return () => ['', ''];
    case 'octet-counted':
      return (payloads, index) => [`${payloads[index]?.length ?? 0} `, ''];
    case 'universal':
      return (payloads, index) => {
        const header = Buffer.allocUnsafe(HEADER_BYTES);
        writeHeader(header, 0, kind, payloads[index]?.length ?? 0);
        return [header, ''];
      };
    case 'body':
      if (body === undefined) throw new RangeError('POST /logs does not take this format');
      return (payloads, index) => body.around(payloads, index);
  }
}
