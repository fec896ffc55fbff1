import { isUtf8 } from 'node:buffer';
import type { DeadLetter } from '../model/deliver.ts';

/** Longer content is not parsed, which would hold up the storage thread. */
const MAX_PARSED = 1024 * 1024;

/**
 * The stored line of a dead letter. A JSON object of up to 1 MiB is its `record`; any other content is its `raw`, as text. The record
 * keeps its bytes, except for line breaks, so that `dlq replay` sends what the client sent.
 */
export function encodeDeadLetter(letter: DeadLetter): Buffer {
  const { time, stage, stream, reason, raw, contentType, map, source } = letter;
  const ofBytes = contentType === undefined ? '' : `,"contentType":${JSON.stringify(contentType)}`;
  const ofMap = map === undefined ? '' : `,"map":${JSON.stringify(map)}`;
  const ofStream = stream === undefined ? '' : `,"stream":${JSON.stringify(stream)}`;
  const head = `{"time":${JSON.stringify(new Date(time).toISOString())},"stage":"${stage}"${ofStream},"reason":${JSON.stringify(reason)}`;
  const body = isObject(raw) ? `"record":${raw.replace(/[\r\n]+/g, ' ')}` : `"raw":${JSON.stringify(raw)}${ofBytes}`;
  return Buffer.from(`${head},${body}${ofMap},"source":${JSON.stringify(source)}}\n`);
}

/** In valid JSON a line break can only stand between tokens, so replacing it changes no value. */
function isObject(raw: string): boolean {
  if (raw.length > MAX_PARSED || !raw.trimStart().startsWith('{')) return false;
  try {
    JSON.parse(raw);
    return true;
  } catch {
    return false;
  }
}

/** Bytes as a dead letter keeps them: as text if they are UTF-8, else `base64:` and the bytes in base64. */
export function rawText(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString('utf8') : `base64:${bytes.toString('base64')}`;
}
