import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findFunctions } from './support/find-functions.ts';

/*
 * The house rules of ARCHITECTURE.md, held against the imports. Imports point only to the right; rooms of one rank do
 * not import each other; from outside a folder only its contract file is imported; no circles; and what no command
 * reaches does not exist. Files and functions stay short, or say why they are long.
 */
const RANKS: readonly (readonly string[])[] = [
  ['cli'],
  ['app'],
  ['http', 'inputs', 'generate'],
  ['analytics', 'live', 'query'],
  ['service'],
  ['queue', 'repo', 'outputs', 'runtime'],
  ['decode', 'transform', 'encode'],
  ['lines'],
  ['metrics', 'config', 'log', 'disk'],
  ['model'],
];
/** Rooms whose files may import implementations, because putting them together is what they are for. */
const COMPOSERS = ['cli', 'app'];
/** Every file of these is a contract. */
const OPEN_ROOMS = ['model', 'disk', 'lines', 'runtime'];
/** Libraries that one room knows. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  hono: ['http'],
  '@hono/node-server': ['http'],
  kafkajs: ['queue'],
  '@platformatic/kafka': ['queue'],
  'csv-parse': ['decode'],
  ajv: ['decode'],
  'ajv-formats': ['decode'],
  re2js: ['decode', 'query', 'transform'],
  '@bufbuild/protobuf': ['decode', 'service', 'generate'],
  'prom-client': ['metrics'],
  zod: ['config', 'http'],
  yaml: ['config'],
  pino: ['log'],
  avsc: ['service', 'generate'],
};

/** A longer function has its reason in a comment in the line above it. */
const MAX_FUNCTION_LINES = 60;

const ROOT = join(import.meta.dirname, '..');
const SRC = join(ROOT, 'src');

interface Import {
  readonly from: string;
  readonly specifier: string;
  /** The imported file relative to src, for one of ours. */
  readonly to: string | undefined;
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.endsWith('.case.ts'))
  .sort();

/** Static and dynamic imports, re-exports, and modules that a thread starts from, as text. */
function importsOf(file: string): Import[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  const specifiers = [
    ...text.matchAll(/^\s*(?:import|export)\s[^'"`;]*?from\s+'([^']+)'/gm),
    ...text.matchAll(/^\s*import\s+'([^']+)'/gm),
    ...text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g),
  ].map((match) => match[1] ?? '');
  const threads = [...text.matchAll(/new URL\(\s*`(\.\/[^`$]+)\$\{/g)].map((match) => `${match[1]}.ts`);
  return [...specifiers, ...threads].map((specifier) => ({
    from: file,
    specifier,
    to: specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : undefined,
  }));
}

const imports = files.flatMap(importsOf);
const inner = imports.flatMap(({ from, to }) => (to === undefined || !files.includes(to) ? [] : [{ from, to }]));

/** The room a file is in: its folder, or for files beside the folders their name; those that compose belong to app. */
function roomOf(file: string): string {
  const [first = '', ...rest] = file.split('/');
  if (rest.length > 0) return first;
  return first === 'log.ts' ? 'log' : 'app';
}

function rankOf(file: string): number {
  return RANKS.findIndex((rooms) => rooms.includes(roomOf(file)));
}

function isContract(file: string): boolean {
  const room = roomOf(file);
  return OPEN_ROOMS.includes(room) || file === `${room}/${room}.ts` || file === `${room}.ts`;
}

const givesReason = (line: string): boolean => /^\s*(?:\/\/|\/\*|\*).*\blong\b/i.test(line);

const show = ({ from, to }: { from: string; to: string }): string => `${from} -> ${to}`;

describe('imports', () => {
  it('are found at all', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(inner.length).toBeGreaterThan(files.length);
    expect(imports.filter(({ to }) => to !== undefined && !files.includes(to))).toEqual([]);
  });

  it('stand in rooms that have a rank', () => {
    expect(files.filter((file) => rankOf(file) < 0)).toEqual([]);
  });

  it('point only to the right', () => {
    const wrong = inner.filter(({ from, to }) => roomOf(from) !== roomOf(to) && rankOf(from) >= rankOf(to));
    expect(wrong.map(show)).toEqual([]);
  });

  it('enter a folder through its contract file', () => {
    const wrong = inner.filter(
      ({ from, to }) => roomOf(from) !== roomOf(to) && !COMPOSERS.includes(roomOf(from)) && !isContract(to),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  it('make no circle', () => {
    expect(findCircle()).toEqual([]);
  });

  it('keep each library in the room that knows it', () => {
    const wrong = imports.filter(({ from, specifier }) => {
      const name = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      return LIBRARIES[name] !== undefined && !LIBRARIES[name].includes(roomOf(from));
    });
    expect(wrong.map(({ from, specifier }) => `${from} -> ${specifier}`)).toEqual([]);
  });
});

/** Where measuring and maintaining need the same thing, it stands in test/support, which both may import. */
describe('bench and scripts', () => {
  it.each([
    ['bench', 'scripts'],
    ['scripts', 'bench'],
  ])('%s imports nothing from %s', (folder, other) => {
    const names = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith('.ts'));
    const found = names.flatMap((name) => {
      const text = readFileSync(join(ROOT, folder, name), 'utf8');
      const targets = [...text.matchAll(/\b(?:from|import|import\()\s*'(\.[^']+)'/g)].map((match) =>
        normalize(join(folder, match[1] ?? '')),
      );
      return targets.map((target) => ({ from: `${folder}/${name}`, to: target }));
    });
    expect(found.length).toBeGreaterThan(5);
    expect(found.filter(({ to }) => to.startsWith(`${other}/`)).map(show)).toEqual([]);
  });
});

describe('every source file', () => {
  it('is reached from a command', () => {
    const reached = new Set<string>();
    const visit = (file: string): void => {
      if (reached.has(file)) return;
      reached.add(file);
      for (const { from, to } of inner) if (from === file) visit(to);
    };
    visit('cli/main.ts');
    expect(files.filter((file) => !reached.has(file))).toEqual([]);
  });

  it('says at its top why it is long, when it is', () => {
    const long = files.filter((file) => {
      const lines = readFileSync(join(SRC, file), 'utf8').split('\n');
      return lines.length > 301 && !/\blong\b/i.test(lines.slice(0, 40).join('\n'));
    });
    expect(long.map((file) => relative(ROOT, join(SRC, file)))).toEqual([]);
  });
});

describe('every function', () => {
  it(`of more than ${MAX_FUNCTION_LINES} lines has its reason in the line above it ("// Long: …")`, () => {
    const tooLong = files.flatMap((file) => {
      const text = readFileSync(join(SRC, file), 'utf8');
      const lines = text.split('\n');
      return findFunctions(text)
        .filter(({ length, line }) => length > MAX_FUNCTION_LINES && !givesReason(lines[line - 2] ?? ''))
        .map(({ head, line, length }) => `src/${file}:${line} ${length} lines: ${head}`);
    });
    expect(tooLong).toEqual([]);
  });

  it('is found by its text', () => {
    const found = findFunctions(FUNCTIONS).map(({ head, length }) => [head, length]);
    expect(found).toEqual([
      ['export async function plain(a: string): Promise<void> {', 4],
      ['export function createThing({', 6],
      ['function typed(a: string): {', 5],
      ['function withTemplate() {', 6],
      ['return function named(a) {', 2],
      ['const arrow = (a: number) => {', 2],
      ['const wide = async (', 5],
      ['items.map((item) => {', 2],
      ['constructor(a: string) {', 4],
      ['get size(): number {', 2],
      ['async #run<T>(', 5],
      ['*[Symbol.iterator](): Generator<string> {', 2],
      ['onClose: () => {', 2],
      ['async close(code) {', 2],
    ]);
  });

  it('is found in the sources', () => {
    const counts = files.map((file) => findFunctions(readFileSync(join(SRC, file), 'utf8')).length);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(1_000);
  });

  it('gives its reason in a comment, and only there', () => {
    expect(['// Long: one table of moves.', '  /** Long, because … */', ' * as long as'].map(givesReason)).toEqual([
      true,
      true,
      true,
    ]);
    expect(['const long = 1;', '// Longer than others.', ''].map(givesReason)).toEqual([false, false, false]);
  });
});

const FUNCTIONS = `
export async function plain(a: string): Promise<void> {
  if (a === 'function (x) {') {
  }
}
export function createThing({
  a,
  b,
}: Options): Thing {
  // function commented() {
}
function typed(a: string): {
  readonly a: string;
} {
  return { a };
}
function withTemplate() {
  return \`
<html>
  </html>
\`;
}
  return function named(a) {
  };
const arrow = (a: number) => {
};
const wide = async (
  a: string,
  b: string,
): Promise<void> => {
};
items.map((item) => {
});
class Thing extends make(a) {
  constructor(a: string) {
    while (a) {
    }
  }
  get size(): number {
  }
  async #run<T>(
    a: T,
    b = { c: 1 },
  ): Promise<void> {
  }
  *[Symbol.iterator](): Generator<string> {
  }
}
const options = {
  onClose: () => {
  },
  async close(code) {
  },
  nested: {
  },
};
if (
  a &&
  b
) {
} else if (c) {
}
for (const a of b) {
}
switch (a) {
}
`;

/** The files of one circle of imports, type imports included; empty when there is none. */
function findCircle(): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return [];
    path.push(file);
    for (const { from, to } of inner) {
      if (from !== file) continue;
      const circle = visit(to);
      if (circle.length > 0) return circle;
    }
    path.pop();
    done.add(file);
    return [];
  };
  for (const file of files) {
    const circle = visit(file);
    if (circle.length > 0) return circle;
  }
  return [];
}
