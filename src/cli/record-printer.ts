import { once } from 'node:events';
import { StringDecoder } from 'node:string_decoder';
import type { Io } from './command.ts';
import { print, printable, printableJson } from './print.ts';

/** Prints the bytes of records as they are; on a terminal without characters that it would obey. Waits while the reader is slow. */
export function createRecordPrinter(stdout: Io['stdout'], format: 'ndjson' | 'csv') {
  if (stdout.isTTY !== true) {
    return {
      async print(bytes: Uint8Array): Promise<void> {
        if (bytes.length > 0 && !stdout.write(bytes)) await once(stdout, 'drain');
      },
    };
  }
  const decoder = new StringDecoder('utf8');
  const toShown = format === 'csv' ? (line: string) => printable(line.replace(/\r$/, '')) : printableJson;
  let rest = '';
  return {
    async print(bytes: Uint8Array): Promise<void> {
      const lines = (rest + decoder.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))).split('\n');
      rest = lines.pop() ?? '';
      if (lines.length > 0) await print(stdout, `${lines.map(toShown).join('\n')}\n`);
    },
  };
}
