import { isUtf8 } from 'node:buffer';
import type { LineFile } from '../disk/line-file.ts';
import { type Backoff, createBackoff } from './retry.ts';
import type { Intake } from './service.ts';

export interface AppendOptions {
  readonly file: Pick<LineFile, 'append'>;
  /** Told of lines that are in the file, and synced. */
  readonly onAppended: (lines: number) => void;
  /** Told of lines that are no JSON object, and are not written. */
  readonly onUnreadable: (lines: number) => void;
  /** Told of lines for which no time was left. */
  readonly onGivenUp: (lines: number) => void;
  /** Told each time that the file could not be written; the lines wait. */
  readonly onRetry: (error: unknown) => void;
  readonly backoff: Backoff;
  /** Aborted when no more time is left: then lines are given up. */
  readonly signal: AbortSignal;
}

const NEWLINE = 10;

/** An intake that appends lines as they are to a file, and syncs it. While the disk is full the lines wait, and so do their senders. */
export function createLineIntake(options: AppendOptions): Intake {
  const { file, onAppended, onUnreadable, onGivenUp, onRetry, backoff, signal } = options;

  async function append(lines: readonly Buffer[]): Promise<void> {
    const pauses = createBackoff(backoff);
    for (;;) {
      signal.throwIfAborted();
      try {
        return await file.append(lines);
      } catch (error) {
        onRetry(error);
      }
      await pauses.pause(signal);
    }
  }

  return async function appendLines({ bytes, unread, after }) {
    const { lines, count, unreadable } = sortLines(bytes);
    await after;
    if (unreadable + unread.length > 0) onUnreadable(unreadable + unread.length);
    if (count === 0) return;
    try {
      await append(lines);
    } catch (error) {
      onGivenUp(count);
      throw error;
    }
    onAppended(count);
  };
}

/** Runs of lines that are JSON objects, and the number of those that are not. Empty lines are neither. */
function sortLines(block: Buffer): { readonly lines: Buffer[]; readonly count: number; readonly unreadable: number } {
  const isText = isUtf8(block);
  const lines: Buffer[] = [];
  let count = 0;
  let unreadable = 0;
  let start = 0;
  for (let at = 0; at < block.length; ) {
    const end = block.indexOf(NEWLINE, at) + 1 || block.length;
    const line = block.subarray(at, end);
    if ((isText || isUtf8(line)) && isJsonObject(line)) count++;
    else {
      if (line.toString('latin1').trim() !== '') unreadable++;
      if (at > start) lines.push(block.subarray(start, at));
      start = end;
    }
    at = end;
  }
  if (block.length > start) lines.push(block.subarray(start));
  return { lines, count, unreadable };
}

/** Whether UTF-8 bytes are one JSON object. */
export function isJsonObject(line: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(line.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
