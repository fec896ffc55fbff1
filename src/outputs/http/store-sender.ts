import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { BYTES } from '../../model/bytes.ts';
import type { LineParcel, RefusedError, RefusedLine, SentLines, StoreSender } from '../outputs.ts';
import { refusal, unreadable } from './read-answer.ts';
import { createPost, type PostOptions } from './service-post.ts';

/*
 * The protocol of a store of lines:
 *
 *   POST /store/batch
 *   {"batch":[{"uuid":"…","host":"web-1","file":"/var/log/a.log","line-num":0,"content":"…","generation":"…"},…],"size":1}
 *
 * A store does not take part of a batch. So a batch that it refuses is halved until the line at fault stands alone.
 */

/** A body ends with the line that makes it longer than this. */
const BODY_BYTES = 2 * 1024 * 1024;

/** `url`: `/store/batch` is appended to its path. */
export interface StoreSenderOptions extends PostOptions {
  /** The text of bytes that are not UTF-8: they reach the store as `\xhh`. */
  readonly escapeBytes: (bytes: Buffer) => string;
}

export function createStoreSender(options: StoreSenderOptions): StoreSender {
  const { escapeBytes } = options;
  const { post, close } = createPost(options);
  const target = new URL(options.url);
  target.pathname = `${target.pathname.replace(/\/(store\/?(batch\/?)?)?$/, '')}/store/batch`;

  async function sendItems(items: readonly Item[], refused: RefusedLine[]): Promise<void> {
    const answer = await post(target, bodyOf(items), { 'Content-Type': 'application/json' });
    if (answer.status === 200) return;
    if (answer.status > 200 && answer.status < 300) throw unreadable(answer.text);
    const error = refusal(answer);
    if (!isOwnFault(error)) throw error;
    if (items.length === 1) {
      refused.push(...items.map(({ number, bytes }) => ({ number, bytes, reason: error.detail || error.message })));
      return;
    }
    const middle = items.length >> 1;
    await sendItems(items.slice(0, middle), refused);
    await sendItems(items.slice(middle), refused);
  }

  async function send(parcel: LineParcel): Promise<SentLines> {
    const refused: RefusedLine[] = [];
    let lines = 0;
    for (const items of batchesOf(parcel, escapeBytes)) {
      await sendItems(items, refused);
      lines += items.length;
    }
    return { stored: lines - refused.length, refused };
  }

  return { send, close };
}

/** The batch, or one of its lines, is at fault. Any other refusal concerns every batch: a wrong key, a wrong address. */
function isOwnFault({ status, type }: RefusedError): boolean {
  return status === 413 || type === 'invalid-lines' || type === 'malformed-body' || type === 'body-too-large';
}

interface Item {
  /** Of the line, from 0. */
  readonly number: number;
  readonly bytes: Buffer;
  readonly json: string;
}

function bodyOf(items: readonly Item[]): Buffer {
  return Buffer.from(`{"batch":[${items.map(({ json }) => json).join(',')}],"size":${items.length}}`);
}

function* batchesOf(
  { host, file, generation, number, bytes }: LineParcel,
  escapeBytes: (bytes: Buffer) => string,
): Generator<readonly Item[]> {
  const names = `"host":${JSON.stringify(host)},"file":${JSON.stringify(file)}`;
  const end = generation === undefined ? '}' : `,"generation":${JSON.stringify(generation)}}`;
  const textOf = isUtf8(bytes) ? (line: Buffer) => line.toString() : escapeBytes;
  let items: Item[] = [];
  let length = 0;
  let next = number;
  for (const line of linesOf(bytes)) {
    const json = `{"uuid":"${randomUUID()}",${names},"line-num":${next},"content":${JSON.stringify(textOf(line))}${end}`;
    items.push({ number: next++, bytes: line, json });
    length += json.length;
    if (length < BODY_BYTES) continue;
    yield items;
    items = [];
    length = 0;
  }
  if (items.length > 0) yield items;
}

function* linesOf(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(BYTES.NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    yield bytes.subarray(start, end);
    start = end + 1;
  }
}
