/**
 * `make docs-check`: checks the documents. Links and anchors have targets. Commands, flags, make targets, configuration keys,
 * variables, metrics and files that a page names exist. The sources contain each error text that troubleshooting.md explains.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Command } from '../src/cli/command.ts';
import { loadCommands } from '../src/cli/main.ts';
import { PROFILE_ENVIRONMENT } from '../src/cli/profiling.ts';
import { keysByPath, listsByPath, rootSection } from '../src/config/keys.ts';
import { OTHER_VARIABLES } from '../src/config/text-layers.ts';
import { agentSeries, knownSeries, seriesIn } from '../test/support/metric-names.ts';

const ROOT = join(import.meta.dirname, '..');
const OTHER_PROFILE_VARIABLES = ['PROFILE_NAME', 'PROFILE_DIR', 'PROFILE_ADDR'];
const FOLDERS = 'src|test|docs|config|deploy|testdata|bench|scripts|bin';

/** The names of everything that exists. */
export interface World {
  readonly targets: ReadonlySet<string>;
  readonly commands: readonly Command[];
  readonly keys: ReadonlySet<string>;
  readonly variables: ReadonlySet<string>;
  readonly series: ReadonlySet<string>;
  readonly exists: (path: string) => boolean;
  /** The anchors of a page's headings; undefined when the page does not exist. */
  readonly anchors: (path: string) => ReadonlySet<string> | undefined;
}

/** The pages that are checked, relative to the repository. */
export function pages(): string[] {
  const docs = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
  return [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'SECURITY.md',
    ...docs.map((name) => `docs/${name}`),
  ];
}

export async function readWorld(): Promise<World> {
  const makefile = readFileSync(join(ROOT, 'Makefile'), 'utf8');
  const targets = [...makefile.matchAll(/^([a-z0-9][a-z0-9 -]*):(?!=)/gm)].flatMap(
    (match) => match[1]?.split(' ') ?? [],
  );
  const keys = [...keysByPath.values()];
  return {
    targets: new Set(targets),
    commands: await loadCommands(),
    keys: new Set([...keysByPath.keys(), ...listsByPath.keys(), ...keys.flatMap(({ path }) => prefixesOf(path))]),
    variables: new Set([
      ...keys.map(({ env }) => env),
      ...Object.keys(OTHER_VARIABLES),
      ...Object.keys(PROFILE_ENVIRONMENT),
      ...OTHER_PROFILE_VARIABLES,
    ]),
    series: await knownNames(),
    exists: (path) => existsSync(join(ROOT, path)),
    anchors: (path) => (existsSync(join(ROOT, path)) ? anchorsOf(readFileSync(join(ROOT, path), 'utf8')) : undefined),
  };
}

/** A text names a histogram itself, a query names its series. */
async function knownNames(): Promise<ReadonlySet<string>> {
  const series = new Set([...(await knownSeries()), ...(await agentSeries())]);
  return new Set([...series, ...[...series].map((name) => name.replace(/_(bucket|sum|count)$/, ''))]);
}

function prefixesOf(path: string): string[] {
  const parts = path.split('.');
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('.'));
}

/** Anchors as GitHub makes them: lower case, no punctuation, dashes for white space, repeats numbered. */
export function anchorsOf(markdown: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of withoutFences(markdown).matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = text.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

function withoutFences(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```/gm, '');
}

/** The problems of one page, one line each. */
export function checkPage(path: string, markdown: string, world: World): string[] {
  const prose = withoutFences(markdown);
  const shell = [...markdown.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap((match) => match[1]?.split('\n') ?? []);
  const code = [...prose.matchAll(/(`+)([^`][\s\S]*?)\1/g)].map((match) => (match[2] ?? '').replace(/\s+/g, ' '));
  const problems = [
    ...checkLinks(path, prose, world),
    ...shell.flatMap((line) => [...checkCommand(line, world)]),
    ...code.flatMap((text) => [...checkCode(text, world)]),
    // In pages about the source, `queue.enqueue` is a function.
    ...(isForOperators(path) ? code.flatMap((text) => [...checkKey(text, world)]) : []),
  ];
  return [...new Set(problems)].map((problem) => `${path}: ${problem}`);
}

function* checkLinks(path: string, prose: string, world: World): Generator<string> {
  for (const [, target = ''] of prose.matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [file = '', anchor] = target.split('#');
    const page = file === '' ? path : relative('.', join(dirname(path), file));
    if (!world.exists(page)) yield `link to ${target}: there is no ${page}`;
    else if (anchor !== undefined && world.anchors(page)?.has(anchor) !== true) {
      yield `link to ${target}: ${page} has no such heading`;
    }
  }
}

/** Checks one line of a shell block, or inline code: the targets and commands of logforge that it runs exist. */
function* checkCommand(line: string, world: World): Generator<string> {
  const words = line
    .replace(/\s#\s.*$/, '')
    .trim()
    .split(/\s+/);
  for (const [i, word] of words.entries()) {
    const isStart = i === 0 || /^(&&|\|\||\||;|sudo|exec)$|=/.test(words[i - 1] ?? '');
    if (!isStart) continue;
    if (word === 'make') yield* checkTargets(words.slice(i + 1), world);
    if (/^(\.\/)?(bin\/)?logforge$/.test(word)) yield* checkLogforge(words.slice(i + 1), world);
  }
}

function* checkTargets(words: readonly string[], world: World): Generator<string> {
  for (const word of words) {
    if (!/^[a-z][a-z0-9-]*$/.test(word)) return;
    if (!world.targets.has(word)) yield `make ${word}: there is no such target`;
  }
}

function* checkLogforge(words: readonly string[], world: World): Generator<string> {
  const [name = '', ...rest] = words;
  if (name === '' || name.startsWith('-')) return;
  let command = world.commands.find((each) => each.name === name);
  if (command === undefined) {
    if (/^[a-z]+$/.test(name)) yield `logforge ${name}: there is no such command`;
    return;
  }
  command = command.subcommands?.find((each) => each.name === rest[0]) ?? command;
  for (const word of rest) {
    if (/^(\||&&|>|;)/.test(word)) return;
    const flag = /^--([a-z-]+)/.exec(word)?.[1];
    if (flag === undefined || flag === 'help') continue;
    if (!Object.hasOwn(command.options, flag)) yield `logforge ${name} --${flag}: there is no such flag`;
  }
}

function isForOperators(path: string): boolean {
  return path.startsWith('docs/') || path === 'README.md';
}

function* checkKey(text: string, world: World): Generator<string> {
  const key = /^([a-z]+(?:\.[a-zA-Z]+)+)(?::.*)?$/.exec(text)?.[1];
  if (key !== undefined && rootSection.entries.has(key.split('.')[0] ?? '') && !world.keys.has(key)) {
    yield `${key}: there is no such configuration key`;
  }
}

function* checkCode(text: string, world: World): Generator<string> {
  if (/^(make|logforge|bin\/logforge) /.test(text)) yield* checkCommand(text, world);
  for (const variable of text.match(/\b(?:LOGFORGE|PROFILE)_[A-Z_]*[A-Z]\b/g) ?? []) {
    if (!world.variables.has(variable)) yield `${variable}: there is no such variable`;
  }
  for (const series of seriesIn(text)) {
    if (!world.series.has(series)) yield `${series}: there is no such metric`;
  }
  const file = new RegExp(`^(?:${FOLDERS})/[\\w./-]+$`).exec(text)?.[0];
  if (file !== undefined && !world.exists(file)) yield `${file}: there is no such file`;
}

/**
 * Checks the texts of errors and log lines that troubleshooting.md explains: the inline code that begins a row of its tables.
 * `…` stands for the part that differs. Each other part must occur in the sources.
 */
export function checkErrorTexts(markdown: string, sources: string): string[] {
  const rows = [...markdown.matchAll(/^\| ((?:`[^`]+`(?:, )?)+) \|/gm)].flatMap((match) =>
    [...(match[1] ?? '').matchAll(/`([^`]+)`/g)].map((code) => code[1] ?? ''),
  );
  const parts = rows.flatMap((row) => row.split('…').map((part) => part.trim()));
  const missing = parts.filter((part) => part.length > 2 && !sources.includes(part));
  return missing.map((part) => `docs/troubleshooting.md: no source says ${JSON.stringify(part)}`);
}

function readSources(): string {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
  const texts = [...files.filter((file) => /\.ts$/.test(file) && !/\.(test|case)\.ts$/.test(file)), '../bin/logforge'];
  return texts.map((file) => readFileSync(join(ROOT, 'src', file), 'utf8').replace(/\\'/g, "'")).join('\n');
}

export async function checkDocs(): Promise<string[]> {
  const world = await readWorld();
  const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
  const problems = pages().flatMap((path) => checkPage(path, read(path), world));
  return [...problems, ...checkErrorTexts(read('docs/troubleshooting.md'), readSources())];
}

if (import.meta.main) {
  const problems = await checkDocs();
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  process.stdout.write(problems.length === 0 ? 'every link, command, key, metric and file exists\n' : '');
  process.exitCode = problems.length === 0 ? 0 : 1;
}
