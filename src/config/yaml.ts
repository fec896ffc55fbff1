import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, type YAMLSeq } from 'yaml';
import { interpolate } from './interpolate.ts';
import { describeUnknownKey, isSection, type Key, rootSection, type Section } from './keys.ts';
import type { Problem, Source } from './problem.ts';
import { fromText, type Layer, type Setting } from './setting.ts';

/**
 * Reads a configuration file. The document is walked by the schema, not converted: so every value keeps its line, and an
 * alias is followed no deeper than the schema goes. Each problem is listed, those of the syntax first.
 */
export function readYaml(options: {
  readonly text: string;
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}): Layer {
  const { text, file, env } = options;
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const settings: Setting[] = [];
  const problems: Problem[] = [];

  const at = (offset: number | undefined): Source => ({
    kind: 'file',
    name: file,
    line: lines.linePos(offset ?? 0).line,
  });
  const complain = (key: string, source: Source, message: string) => problems.push({ key, source, message });
  const follow = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node);

  const expand = (key: Key, text: string, source: Source) => {
    const result = interpolate(text, env);
    for (const message of result.problems) complain(key.path, source, message);
    return result;
  };

  const readLeaf = (key: Key, given: unknown, source: Source) => {
    const node = follow(given);
    const before = problems.length;
    const setting = isSeq(node) ? readList(key, node, source) : readScalar(key, scalarValue(node), source);
    if (problems.length === before) settings.push(setting);
  };

  const readList = (key: Key, node: YAMLSeq, source: Source): Setting => {
    const items = node.items.map((item) => scalarValue(follow(item)));
    return {
      key,
      source,
      value: items.map((item) => (typeof item === 'string' ? expand(key, item, source).text : item)),
    };
  };

  const readScalar = (key: Key, value: unknown, source: Source): Setting => {
    if (typeof value !== 'string') return { key, source, value };
    const { text, changed, unset } = expand(key, value, source);
    return { key, source, value: changed ? fromText(key, text) : text, unset };
  };

  const readPair = (section: Section, { key: name, value }: Pair) => {
    const word = isScalar(name) ? String(name.value) : '';
    const source = at((name as Node | null)?.range?.[0]);
    const entry = section.entries.get(word);
    if (entry === undefined) complain(join(section.path, word), source, describeUnknownKey(word, section));
    else if (isSection(entry)) readSection(entry, value, source);
    else readLeaf(entry, value, source);
  };

  const readSection = (section: Section, given: unknown, source: Source) => {
    const node = follow(given);
    if (isMap(node)) for (const pair of node.items) readPair(section, pair);
    else if (node !== null && scalarValue(node) !== null) {
      complain(section.path, source, `expected a section with ${[...section.entries.keys()].join(', ')}`);
    }
  };

  for (const error of document.errors) complain('', at(error.pos[0]), error.message);
  if (document.errors.length === 0) readSection(rootSection, document.contents, at(0));
  return { settings, problems };
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function scalarValue(node: unknown): unknown {
  if (isScalar(node)) return node.value;
  return isSeq(node) ? [] : isMap(node) ? {} : null;
}
