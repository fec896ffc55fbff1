import type { AccessFields, AccessLines, LineFormat, LineOptions } from '../line-format.ts';

/** What a reader makes of a line: the record without its absent fields, the reason, or `directive`. */
export type Outcome = Partial<AccessFields> | string;

/** Reads lines with one reader, each inside a larger buffer, as blocks of files are read. */
export function readLines(
  format: LineFormat,
  lines: readonly (string | Buffer)[],
  options: Partial<LineOptions> = {},
): Outcome[] {
  return readLinesWithState(format, lines, options).outcomes;
}

export function readLinesWithState(
  format: LineFormat,
  lines: readonly (string | Buffer)[],
  { zone = 0, fields = 'all', state = '' }: Partial<LineOptions> = {},
): { readonly outcomes: Outcome[]; readonly state: string } {
  const reader = format.createReader({ zone, fields, state });
  const outcomes = lines.map((line): Outcome => {
    const records: AccessFields[] = [];
    const bytes = Buffer.concat([Buffer.from('"before\n'), Buffer.from(line), Buffer.from('\nafter"')]);
    const verdict = reader.read(bytes, '"before\n'.length, bytes.length - '\nafter"'.length, collect(records));
    if (verdict === 'directive') return verdict;
    if (verdict !== 'record') return verdict.reason;
    return records.length === 1 ? present(records[0] ?? {}) : `${records.length} records`;
  });
  return { outcomes, state: reader.state };
}

function collect(records: AccessFields[]): AccessLines {
  return {
    get count() {
      return records.length;
    },
    add(fields) {
      records.push(fields);
    },
    reserve: () => {
      throw new Error('the readers of text formats write by add()');
    },
    added: () => undefined,
  };
}

function present(fields: Partial<AccessFields>): Partial<AccessFields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
