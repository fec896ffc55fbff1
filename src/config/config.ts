import type { z } from 'zod';
import { inputProblems, mappingProblems, RULES, streamListProblems, streamProblems } from './check.ts';
import { isList, isSection, keysByPath, listsByPath, rootSection, type Section, walk } from './keys.ts';
import { readKeysFile } from './keys-file.ts';
import { ConfigError, formatSource, type Source } from './problem.ts';
import { readFileUpTo } from './read-file.ts';
import { configSchema } from './schema.ts';
import { checkSetting, type Layer, type Setting } from './setting.ts';
import { type ConfigFlags, readEnv, readFlags } from './text-layers.ts';
import { formatSize, type ListenAddress, parseAddress } from './units.ts';
import { readYaml } from './yaml.ts';
import { MAX_CONFIG_BYTES } from './yaml-limits.ts';

type DeepReadonly<T> = T extends readonly (infer I)[]
  ? readonly DeepReadonly<I>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** The value of every key: durations in milliseconds, sizes in bytes. */
export type ConfigValues = DeepReadonly<z.output<typeof configSchema>>;

/** `direct` stores what it accepts; `queued` puts Kafka between. */
export type PipelineName = 'direct' | 'queued';

/**
 * The effective configuration. Keys, defaults and limits are declared in schema.ts. `auth.keys` holds those of
 * `auth.keysFile` too. `version` is what is shown outside; code asks `pipeline`.
 */
export type Config = ConfigValues & { readonly pipeline: PipelineName };

const PIPELINES = { 1: 'direct', 2: 'queued' } as const;

export interface ConfigInput {
  /** The YAML file. Without one, defaults. */
  readonly file?: string | undefined;
  /** The content of the file, where it was read already; `file` then only names it. */
  readonly text?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly flags?: ConfigFlags;
}

export interface LoadedConfig {
  readonly config: Config;
  /** Where each key's value came from, by dotted path. */
  readonly sources: ReadonlyMap<string, Source>;
}

/** Reads the file, then the environment, then the flags; later wins. Throws ConfigError with every problem of all three. */
export function loadConfig({ file, text, env = {}, flags = {} }: ConfigInput = {}): LoadedConfig {
  const layers = [readFile(file, text, env), readEnv(env), readFlags(flags)];
  const problems = layers.flatMap((layer) => layer.problems);
  const effective = new Map<string, Setting>();
  for (const setting of layers.flatMap((layer) => layer.settings)) {
    const problem = checkSetting(setting);
    if (problem !== undefined) problems.push(problem);
    else effective.set(setting.key.path, setting);
  }
  const sourceOf = (key: string): Source => effective.get(key)?.source ?? { kind: 'default', name: 'default' };
  const lengths = new Map(layers.flatMap((layer) => [...(layer.lengths ?? [])]));
  const config = configSchema.parse(nest(rootSection, effective, lengths));

  const suspects = new Set(problems.map((problem) => problem.key));
  for (const { keys, broken, message } of RULES) {
    if (keys.some((key) => suspects.has(key)) || !broken(config)) continue;
    problems.push({ key: keys[0], source: sourceOf(keys[0]), message });
  }
  // A stream whose name cannot be used has the default, which says nothing new.
  const ofStreams = [
    ...streamProblems(config),
    ...streamListProblems(config),
    ...inputProblems(config),
    ...mappingProblems(config),
  ].filter(({ key }) => !suspects.has(key));
  problems.push(...ofStreams.map((problem) => ({ ...problem, source: sourceOf(problem.key) })));
  if (config.auth.enabled && config.auth.keysFile !== '') {
    const fromFile = readKeysFile(config.auth.keysFile);
    problems.push(...fromFile.problems);
    config.auth.keys = [...new Set([...config.auth.keys, ...fromFile.keys])];
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const sources = new Map([...keysByPath.keys(), ...effective.keys()].map((key) => [key, sourceOf(key)]));
  return { config: { ...config, pipeline: PIPELINES[config.version] }, sources };
}

function readFile(file: string | undefined, text: string | undefined, env: NonNullable<ConfigInput['env']>): Layer {
  const name = file ?? 'configuration';
  if (text === undefined && file === undefined) return { settings: [], problems: [] };
  try {
    const bytes = text === undefined ? readFileUpTo(name, MAX_CONFIG_BYTES) : Buffer.from(text);
    if (bytes === undefined || bytes.length > MAX_CONFIG_BYTES) {
      throw new Error(`the file is larger than ${formatSize(MAX_CONFIG_BYTES)}`);
    }
    return readYaml({ text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), file: name, env });
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    return {
      settings: [],
      problems: [{ key: '', source: { kind: 'file', name }, message: `cannot read the file: ${cause}` }],
    };
  }
}

/** The values as a tree, in which the schema finds every section. */
function nest(
  section: Section,
  values: ReadonlyMap<string, Setting>,
  lengths: ReadonlyMap<string, number>,
): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [name, entry] of section.entries) {
    if (isSection(entry)) tree[name] = nest(entry, values, lengths);
    else if (isList(entry)) {
      const indexes = Array.from({ length: lengths.get(entry.path) ?? 0 }, (_, index) => index);
      tree[name] = indexes.map((index) => nest(entry.at(index), values, lengths));
    } else if (values.has(entry.path)) tree[name] = values.get(entry.path)?.value;
  }
  return tree;
}

/** One key of the effective configuration, as text. */
export interface ConfigRow {
  readonly key: string;
  /** As it would be written in YAML; a secret that is set is asterisks. */
  readonly value: string;
  /** `config.yaml:12`, `LOGFORGE_SERVER_ADDR`, `--addr`, `default` */
  readonly source: string;
}

/** Every key of the effective configuration, to be shown. */
export function describeConfig({ config, sources }: LoadedConfig): readonly ConfigRow[] {
  const masked = maskSecrets(config);
  const keys = [...keysByPath.values()];
  for (const list of listsByPath.values()) {
    const objects = valueAt(masked, list.path) as readonly unknown[];
    for (const index of objects.keys()) keys.push(...walk(list.at(index)));
  }
  return keys.map(({ path, leaf }) => {
    const value = valueAt(masked, path);
    const written = leaf.write === undefined ? String(value) : leaf.write(value);
    const source = sources.get(path);
    return { key: path, value: written, source: source === undefined ? '' : formatSource(source) };
  });
}

/** The value of a key or a list by its path, `streams[2].name`. */
function valueAt(values: ConfigValues, path: string): unknown {
  return path.split(/\.|\[|\]\./).reduce<unknown>((tree, name) => Reflect.get(Object(tree), name), values);
}

/** The value of every key, with each secret that is set replaced by asterisks. */
export function maskSecrets({ pipeline: _, ...values }: Config): ConfigValues {
  const mask = (value: unknown, path: string): unknown => {
    if (keysByPath.get(path)?.leaf.secret) {
      return Array.isArray(value) ? value.map(() => '********') : value === '' ? '' : '********';
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, child]) => [name, mask(child, path === '' ? name : `${path}.${name}`)]),
    );
  };
  // The same tree, leaf by leaf, so the same type.
  return mask(values, '') as ConfigValues;
}

/** Host and port of `server.addr`. */
export function toListenAddress(addr: string): ListenAddress {
  const address = parseAddress(addr);
  if (address === undefined) throw new Error(`cannot read server.addr=${JSON.stringify(addr)}: expected host:port`);
  return address;
}
