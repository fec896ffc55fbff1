import type { DeadLetter } from '../model/deliver.ts';

/**
 * The stored line of a dead letter: `record` holds what came when it was a JSON object, else `raw` holds it as text.
 * The record goes in as it came, less its line breaks, so that `dlq replay` sends what the client sent.
 */
export function encodeDeadLetter(letter: DeadLetter): Buffer {
  const { time, stage, reason, raw, source } = letter;
  const head = `{"time":${JSON.stringify(new Date(time).toISOString())},"stage":"${stage}","reason":${JSON.stringify(reason)}`;
  const body = isObject(raw) ? `"record":${raw.replace(/[\r\n]+/g, ' ')}` : `"raw":${JSON.stringify(raw)}`;
  return Buffer.from(`${head},${body},"source":${JSON.stringify(source)}}\n`);
}

/** In valid JSON a line break can only stand between tokens, so replacing it changes no value. */
function isObject(raw: string): boolean {
  if (!raw.trimStart().startsWith('{')) return false;
  try {
    JSON.parse(raw);
    return true;
  } catch {
    return false;
  }
}
