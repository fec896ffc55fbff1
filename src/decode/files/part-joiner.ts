/** Bytes of all parts that wait: as base64 48 KiB, which leaves room for their names and for other states in MAX_STATE_BYTES. */
export const MAX_PART_BYTES = 36 * 1024;
/** Streams with a part that waits: `stdout` and `stderr` in practice. */
const MAX_STREAMS = 16;
/** Of a stream; each takes at most six bytes in the state. */
const MAX_NAME_LENGTH = 32;

interface Waiting {
  /** undefined: the line is too long, and what comes of it is dropped. */
  parts: Buffer[] | undefined;
  bytes: number;
}

/**
 * Joins lines that a container's runtime has cut. What waits is bounded and can be written down as text (`state`), so that a later reading of
 * the file goes on there: the result does not depend on where a file is cut into blocks.
 */
export class PartJoiner {
  readonly #waiting = new Map<string, Waiting>();
  #bytes = 0;

  /** `state` of an earlier one. What is no state counts as empty. */
  constructor(state = '') {
    for (const [stream, parts] of parseState(state)) this.#wait(stream, parts);
  }

  /**
   * Takes a whole line or a part of one, and gives the line that is whole now: `text` itself, if there was nothing before it. undefined: the
   * line goes on. An object: why it cannot be joined, once; its other parts are dropped. `text` is copied where it waits.
   */
  add(stream: string, text: Buffer, isPart: boolean): Buffer | undefined | { readonly reason: string } {
    const name = stream.slice(0, MAX_NAME_LENGTH);
    const waiting = this.#waiting.get(name);
    if (!isPart) return waiting === undefined ? text : this.#end(name, waiting, text);
    if (waiting === undefined) {
      if (this.#waiting.size === MAX_STREAMS) return { reason: `parts of more than ${MAX_STREAMS} streams` };
      return this.#fits(text.length) ? this.#wait(name, Buffer.from(text)) : this.#refuse(name);
    }
    if (waiting.parts === undefined) return undefined;
    if (!this.#fits(text.length)) return this.#refuse(name);
    if (text.length > 0) waiting.parts.push(Buffer.from(text));
    waiting.bytes += text.length;
    this.#bytes += text.length;
    return undefined;
  }

  /** At most MAX_STATE_BYTES; empty where nothing waits. */
  get state(): string {
    if (this.#waiting.size === 0) return '';
    const entries = [...this.#waiting].map(([stream, { parts }]) => [
      stream,
      parts === undefined ? null : Buffer.concat(parts).toString('base64'),
    ]);
    return JSON.stringify(entries);
  }

  #fits(bytes: number): boolean {
    return this.#bytes + bytes <= MAX_PART_BYTES;
  }

  #wait(name: string, part: Buffer | undefined): undefined {
    const bytes = part?.length ?? 0;
    this.#waiting.set(name, { parts: part === undefined ? undefined : [part], bytes });
    this.#bytes += bytes;
  }

  #end(name: string, { parts, bytes }: Waiting, text: Buffer): Buffer | undefined {
    this.#waiting.delete(name);
    this.#bytes -= bytes;
    return parts === undefined ? undefined : Buffer.concat([...parts, text]);
  }

  #refuse(name: string): { readonly reason: string } {
    this.#bytes -= this.#waiting.get(name)?.bytes ?? 0;
    this.#wait(name, undefined);
    return { reason: `a line in parts is longer than ${MAX_PART_BYTES} bytes` };
  }
}

/** Each stream with its part; undefined for a line that is too long. */
function parseState(state: string): [string, Buffer | undefined][] {
  if (state === '') return [];
  let entries: unknown;
  try {
    entries = JSON.parse(state);
  } catch {
    return [];
  }
  if (!Array.isArray(entries) || !entries.every(isEntry)) return [];
  return entries.map(([stream, part]) => [stream, part === null ? undefined : Buffer.from(part, 'base64')]);
}

function isEntry(value: unknown): value is [string, string | null] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [stream, part] = value as unknown[];
  return typeof stream === 'string' && (part === null || typeof part === 'string');
}
