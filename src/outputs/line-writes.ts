import { isUtf8 } from 'node:buffer';
import type { GroupLimit } from '../disk/group-commit.ts';

/** Lines of so many bytes share a sync. */
const GROUP_BYTES = 8 * 1024 * 1024;
export const BY_BYTES: GroupLimit<{ readonly bytes: number }> = { weigh: ({ bytes }) => bytes, max: () => GROUP_BYTES };

/** `cannot write path=…: ENOSPC …` */
export function failedTo(verb: 'open' | 'write', path: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Error(`cannot ${verb} path=${path}: ${reason}`, { cause });
}

/** Whether a last line without a newline is whole. */
export function isJson(bytes: Buffer): boolean {
  if (!isUtf8(bytes)) return false;
  try {
    JSON.parse(bytes.toString());
    return true;
  } catch {
    return false;
  }
}
