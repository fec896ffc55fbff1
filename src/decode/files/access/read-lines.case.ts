import { StoredLines } from './access-lines.ts';
import { COMBINED } from './combined.ts';

/** Reads the lines of a log as a file would be read: stored lines and reasons, in order, each as text. */
export function readLines(log: Buffer | string, { zone = 0, fields = 'all' as 'all' | 'core' } = {}): string[] {
  const bytes = Buffer.from(log);
  const reader = COMBINED.createReader({ zone, fields, state: '' });
  const lines = new StoredLines({ fields, blockBytes: bytes.length });
  const results: string[] = [];
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf('\n', start);
    const end = newline === -1 ? bytes.length : newline;
    const verdict = reader.read(bytes, start, end, lines);
    const { body, records } = lines.take();
    if (verdict === 'record' && records !== 1) throw new Error(`wrote ${records} records`);
    if (verdict !== 'record' && records !== 0) throw new Error('wrote a record that it refused');
    results.push(typeof verdict === 'object' ? verdict.reason : body.toString().trimEnd());
    start = end + 1;
  }
  return results;
}
