import type { Problem } from './problem.ts';
import { readFileUpTo } from './read-file.ts';
import { formatSize } from './units.ts';

const MAX_KEYS_BYTES = 4 * 1024 * 1024;

/** Reads one API key a line; blank lines and `#` lines are skipped. Problems name the line, never the key. */
export function readKeysFile(file: string): {
  readonly keys: readonly string[];
  readonly problems: readonly Problem[];
} {
  const keys: string[] = [];
  const problems: Problem[] = [];
  const complain = (message: string, line?: number) =>
    problems.push({
      key: 'auth.keysFile',
      source: { kind: 'file', name: file, ...(line === undefined ? {} : { line }) },
      message,
    });
  try {
    const bytes = readFileUpTo(file, MAX_KEYS_BYTES);
    if (bytes === undefined) throw new Error(`the file is larger than ${formatSize(MAX_KEYS_BYTES)}`);
    for (const [index, line] of bytes.toString('utf8').split('\n').entries()) {
      const key = line.trim();
      if (key === '' || key.startsWith('#')) continue;
      if (/^[!-~]+$/.test(key)) keys.push(key);
      else complain('expected a key of visible ASCII characters', index + 1);
    }
    if (keys.length === 0 && problems.length === 0) complain('expected at least one key');
  } catch (error) {
    complain(`cannot read the file: ${error instanceof Error ? error.message : String(error)}`);
  }
  return { keys, problems };
}
