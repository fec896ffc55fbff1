/** An input of two parts: one line of JSON that says how to read the rest, and the bytes. So an input stays one file. */
export interface Headed<T> {
  readonly head: T;
  readonly body: Buffer;
}

export function join<T>({ head, body }: Headed<T>): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), body]);
}

export function split<T>(input: Buffer): Headed<T> {
  const end = input.indexOf('\n');
  // A target reads only inputs that it made, and files of testdata.
  return { head: JSON.parse(input.toString('utf8', 0, end)) as T, body: Buffer.from(input.subarray(end + 1)) };
}

/** For a target whose inputs have a head: `change` mutates what follows it, or gives simpler forms. */
export function withHead(change: (body: Buffer) => Buffer): (input: Buffer) => Buffer {
  return (input) => {
    const { head, body } = split(input);
    return join({ head, body: change(body) });
  };
}
