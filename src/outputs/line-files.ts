import { GroupCommit } from '../disk/group-commit.ts';
import { openLineFile } from '../disk/line-file.ts';
import { encodeDeadLetter, rawText } from '../lines/dead-letter.ts';
import type { DeadLetter } from '../model/deliver.ts';
import { BY_BYTES, failedTo, isJson } from './line-writes.ts';
import type { AppendedFile, Reject } from './outputs.ts';

/** Of a rejected line: what is longer is cut, and `length` says how long it was. */
export const MAX_REJECT_BYTES = 4 * 1024 * 1024;

/**
 * Opens the file of the lines that were left out, or makes it. A line:
 *
 *   {"time":"2026-11-28T07:00:00.000Z","file":"access.log","number":3,"reason":"…","line":"…"}
 *
 * Bytes that are not UTF-8 stand as `"line":"base64:…"`. Rejects when it cannot be opened.
 */
export function openRejectsFile(path: string): Promise<AppendedFile<Reject>> {
  return openAppended(path, encodeReject);
}

/** Opens a file of dead letters in the form of the service's own, so that `logforge dlq` reads it, or makes it. Rejects when it cannot be opened. */
export function openDeadLetterFile(path: string): Promise<AppendedFile<DeadLetter>> {
  return openAppended(path, encodeDeadLetter);
}

/** See openRejectsFile. */
export function encodeReject({ time, file, number, reason, bytes }: Reject): Buffer {
  const kept = bytes.subarray(0, MAX_REJECT_BYTES);
  const line = rawText(kept);
  const length = kept.length < bytes.length ? { length: bytes.length } : {};
  return Buffer.from(
    `${JSON.stringify({ time: new Date(time).toISOString(), file, number, reason, line, ...length })}\n`,
  );
}

interface Waiting {
  readonly lines: readonly Buffer[];
  readonly bytes: number;
  resolve(): void;
  reject(error: unknown): void;
}

async function openAppended<Line>(path: string, encode: (line: Line) => Buffer): Promise<AppendedFile<Line>> {
  const file = await openLineFile(path, isJson).catch((cause: unknown) => {
    throw failedTo('open', path, cause);
  });
  const commits = new GroupCommit<Waiting>({ commit, limits: [BY_BYTES] });

  async function commit(group: Waiting[]): Promise<void> {
    try {
      await file.append(group.flatMap(({ lines }) => lines));
      for (const { resolve } of group) resolve();
    } catch (cause) {
      for (const { reject } of group) reject(failedTo('write', path, cause));
    }
  }

  return {
    mended: describeMended(path, file.mended),
    async add(items) {
      if (items.length === 0) return;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const lines = items.map(encode);
      const bytes = lines.reduce((sum, line) => sum + line.length, 0);
      commits.add({ lines, bytes, resolve, reject });
      await promise;
    },
    async close() {
      await commits.idle();
      await file.close();
    },
  };
}

function describeMended(path: string, mended: 'nothing' | 'ended' | { readonly cut: number }): string | undefined {
  if (mended === 'nothing') return undefined;
  if (mended === 'ended') return `${path}: the last line had no newline; it has one now`;
  return `${path}: the last line was not whole; its ${mended.cut} bytes were cut off`;
}
