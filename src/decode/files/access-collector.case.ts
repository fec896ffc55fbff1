import type { AccessFields, AccessLines, ExtraField, LineFormat, LineOptions } from './line-format.ts';

/** AccessLines for tests: the lines as objects and as text. */
export class AccessCollector implements AccessLines {
  readonly lines: string[] = [];
  #reserved = Buffer.alloc(0);

  get count(): number {
    return this.lines.length;
  }

  add({ duration, rest, malformed, ...first }: AccessFields, extras: readonly ExtraField[] = []): void {
    const line = JSON.stringify({ ...first, durationSeconds: duration, rest, malformed });
    const members = extras.map(([name, json]) => `,${JSON.stringify(name)}:${json}`);
    this.lines.push(`${line.slice(0, -1)}${members.join('')}}`);
  }

  reserve(bytes: number): { readonly buffer: Buffer; readonly used: number } {
    this.#reserved = Buffer.alloc(bytes);
    return { buffer: this.#reserved, used: 0 };
  }

  added(used: number): void {
    this.lines.push(this.#reserved.toString('utf8', 0, used).trimEnd());
  }
}

/** What a new reader makes of one line: the stored line as text, or the reason. */
export function readOneLine(format: LineFormat, line: string | Buffer, options: Partial<LineOptions> = {}): string {
  const out = new AccessCollector();
  const bytes = Buffer.concat([Buffer.from('before'), Buffer.from(line), Buffer.from('after')]);
  const reader = format.createReader({ zone: 0, fields: 'all', state: '', ...options });
  const verdict = reader.read(bytes, 'before'.length, bytes.length - 'after'.length, out);
  return typeof verdict === 'object' ? verdict.reason : (out.lines[0] ?? verdict);
}
