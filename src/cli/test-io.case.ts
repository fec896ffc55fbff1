import { PassThrough, Writable } from 'node:stream';
import type { Io } from './command.ts';

/** An Io that a test can read back. */
export function createTestIo(
  options: { readonly env?: Readonly<Record<string, string>>; readonly stdin?: string } = {},
) {
  const { env = {}, stdin = '' } = options;
  const out = collect();
  const err = collect();
  const input = new PassThrough();
  input.end(stdin);
  const io: Io = { stdout: out.stream, stderr: err.stream, stdin: input, env };
  return { io, stdout: out.text, stderr: err.text };
}

function collect() {
  const chunks: string[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  return { stream, text: () => chunks.join('') };
}
