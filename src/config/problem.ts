/** Where a value came from. `name` is the file, the variable or the flag; `line` is set for a file. */
export interface Source {
  readonly kind: 'default' | 'file' | 'env' | 'flag';
  readonly name: string;
  readonly line?: number;
}

/** One thing wrong with the configuration. */
export interface Problem {
  /** Dotted path of the key; empty where a file as a whole cannot be read. */
  readonly key: string;
  readonly source: Source;
  /** `expected a duration …, got "soon"`, `unknown key, did you mean maxBodyBytes?` */
  readonly message: string;
}

const ORDER = ['file', 'default', 'env', 'flag'] as const;

function compare(a: Problem, b: Problem): number {
  const byKind = ORDER.indexOf(a.source.kind) - ORDER.indexOf(b.source.kind);
  return byKind !== 0 ? byKind : (a.source.line ?? 0) - (b.source.line ?? 0);
}

/** Holds every problem, those of the file first, from top to bottom. The message lists them, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    const sorted = [...problems].sort(compare);
    super(sorted.map(formatProblem).join('\n'));
    this.problems = sorted;
  }
}

/** `config.yaml:12: server.maxBodyByts: unknown key, did you mean maxBodyBytes?` */
function formatProblem({ key, source, message }: Problem): string {
  return [formatSource(source), key, message].filter((part) => part !== '').join(': ');
}

/** `config.yaml:12`, `LOGFORGE_SERVER_ADDR`, `--addr`, `default` */
export function formatSource({ name, line }: Source): string {
  return line === undefined ? name : `${name}:${line}`;
}
