import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { type Interpolated, interpolate } from './interpolate.ts';
import { describeUnknownKey, isList, isSection, type Key, type ObjectList, rootSection, type Section } from './keys.ts';
import type { Problem, Source } from './problem.ts';
import { fromText, type Layer, type Setting } from './setting.ts';
import { findExcess } from './yaml-limits.ts';

/**
 * Reads a configuration file. The document is walked by the schema, not converted: so every value keeps its line, and an
 * alias is followed no deeper than the schema goes. Each problem is listed, those of the syntax first.
 */
export function readYaml({ text, file, env }: YamlFile): Layer {
  const excess = findExcess(text);
  if (excess !== undefined) {
    const source: Source = { kind: 'file', name: file, line: excess.line };
    return { settings: [], problems: [{ key: '', source, message: excess.message }] };
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const at = (offset = 0): Source => ({ kind: 'file', name: file, line: lines.linePos(offset).line });
  const reader: Reader = {
    env,
    at,
    follow: (node) => (isAlias(node) ? node.resolve(document) : node),
    settings: [],
    lengths: new Map(),
    problems: [],
  };
  for (const error of document.errors) complain(reader, '', at(error.pos[0]), error.message);
  if (document.errors.length === 0) readSection(reader, rootSection, document.contents, at());
  return { settings: reader.settings, lengths: reader.lengths, problems: reader.problems };
}

interface YamlFile {
  readonly text: string;
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** One reading of a document. */
interface Reader {
  readonly env: YamlFile['env'];
  /** The line at an offset. */
  at(offset: number | undefined): Source;
  /** The node that an alias means. */
  follow(node: unknown): unknown;
  readonly settings: Setting[];
  readonly lengths: Map<string, number>;
  readonly problems: Problem[];
}

function complain({ problems }: Reader, key: string, source: Source, message: string): void {
  problems.push({ key, source, message });
}

function readSection(reader: Reader, section: Section, given: unknown, source: Source): void {
  const node = reader.follow(given);
  if (isMap(node)) for (const pair of node.items) readPair(reader, section, pair);
  else if (node !== null && scalarValue(node) !== null) {
    complain(reader, section.path, source, `expected a section with ${[...section.entries.keys()].join(', ')}`);
  }
}

function readPair(reader: Reader, section: Section, { key: name, value }: Pair): void {
  const word = isScalar(name) ? String(name.value) : '';
  // The library types a key as unknown; with stringKeys it is a node.
  const source = reader.at((name as Node | null)?.range?.[0]);
  const entry = section.entries.get(word);
  if (entry === undefined) complain(reader, join(section.path, word), source, describeUnknownKey(word, section));
  else if (isSection(entry)) readSection(reader, entry, value, source);
  else if (isList(entry)) readObjects(reader, entry, value, source);
  else readLeaf(reader, entry, value, source);
}

/** More objects than anybody writes down by hand. */
const MAX_OBJECTS = 1_000;

function readObjects(reader: Reader, list: ObjectList, given: unknown, source: Source): void {
  const node = reader.follow(given);
  if (scalarValue(node) === null && !isMap(node) && !isSeq(node)) return;
  if (!isSeq(node) || node.items.length > MAX_OBJECTS) {
    complain(reader, list.path, source, `expected a list of at most ${MAX_OBJECTS} objects`);
    return;
  }
  reader.lengths.set(list.path, node.items.length);
  node.items.forEach((item, index) => {
    const section = list.at(index);
    const at = reader.at((item as Node | null)?.range?.[0]);
    readSection(reader, section, item, at);
    const name = section.entries.get('name') as Key;
    const isNamed = [...reader.settings, ...reader.problems].some((known) => pathOf(known) === name.path);
    if (!isNamed) complain(reader, name.path, at, `a name is missing; expected ${name.leaf.expects}`);
  });
}

function pathOf(known: Setting | Problem): string {
  return typeof known.key === 'string' ? known.key : known.key.path;
}

function readLeaf(reader: Reader, key: Key, given: unknown, source: Source): void {
  const node = reader.follow(given);
  const before = reader.problems.length;
  const isTexts = key.leaf.kind === 'map' && isMap(node);
  const setting = isSeq(node)
    ? readList(reader, key, node, source)
    : isTexts
      ? readTexts(reader, key, node, source)
      : readScalar(reader, key, scalarValue(node), source);
  if (reader.problems.length === before) reader.settings.push(setting);
}

function readList(reader: Reader, key: Key, node: YAMLSeq, source: Source): Setting {
  const items = node.items.map((item) => scalarValue(reader.follow(item)));
  const expanded = items.map((item) => (typeof item === 'string' ? expand(reader, key, item, source).text : item));
  return { key, source, value: expanded };
}

function readTexts(reader: Reader, key: Key, node: YAMLMap, source: Source): Setting {
  const texts = node.items.map(({ key: name, value }): [string, unknown] => {
    const text = scalarValue(reader.follow(value));
    const expanded = typeof text === 'string' ? expand(reader, key, text, source).text : text;
    return [isScalar(name) ? String(name.value) : '', expanded];
  });
  return { key, source, value: Object.fromEntries(texts) };
}

function readScalar(reader: Reader, key: Key, value: unknown, source: Source): Setting {
  if (typeof value !== 'string') return { key, source, value };
  const { text, changed, unset } = expand(reader, key, value, source);
  return { key, source, value: changed ? fromText(key, text) : text, unset };
}

function expand(reader: Reader, key: Key, text: string, source: Source): Interpolated {
  const result = interpolate(text, reader.env);
  for (const message of result.problems) complain(reader, key.path, source, message);
  return result;
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function scalarValue(node: unknown): unknown {
  if (isScalar(node)) return node.value;
  return isSeq(node) ? [] : isMap(node) ? {} : null;
}
