import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { createRecordPrinter } from './record-printer.ts';

async function print(isTTY: boolean, format: 'ndjson' | 'csv', ...pieces: readonly Buffer[]): Promise<string> {
  const written: Buffer[] = [];
  const stdout = new Writable({
    highWaterMark: 1,
    write(chunk, _encoding, done) {
      written.push(Buffer.from(chunk));
      setImmediate(done);
    },
  });
  const printer = createRecordPrinter(Object.assign(stdout, { isTTY }), format);
  for (const piece of pieces) await printer.print(piece);
  return Buffer.concat(written).toString();
}

const LINE = Buffer.from('{"message":"é\u001b[31m\u202e"}\n');

it('prints bytes as they are into a file or a pipe', async () => {
  expect(await print(false, 'ndjson', LINE.subarray(0, 13), LINE.subarray(13))).toBe(LINE.toString());
});

it('escapes what a terminal would obey or not show, wherever a piece ends', async () => {
  for (let cut = 0; cut <= LINE.length; cut++) {
    const shown = await print(true, 'ndjson', LINE.subarray(0, cut), LINE.subarray(cut));
    expect(shown).toBe('{"message":"é\\u001b[31m\\u202e"}\n');
  }
  expect(await print(true, 'csv', Buffer.from('a,b\r\n1,\u0007\r\n'))).toBe('a,b\n1,\\u0007\n');
});
