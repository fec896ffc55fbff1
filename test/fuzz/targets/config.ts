import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { type ConfigInput, describeConfig, type LoadedConfig, loadConfig } from '../../../src/config/config.ts';
import { keysByPath, listsByPath } from '../../../src/config/keys.ts';
import { ConfigError } from '../../../src/config/problem.ts';
import { CONFIG_FLAGS } from '../../../src/config/text-layers.ts';
import type { Random } from '../../support/random.ts';
import { FaultError, type FuzzTarget, promise } from '../fuzz.ts';
import { join, split } from '../headed.ts';
import { mutateBytes, withoutPieces } from '../mutate.ts';
import { makeTemporaryFolder } from '../temporary.ts';

/*
 * Any file, environment and flags give a configuration, or a ConfigError that names where each problem is. What is loaded can be written
 * down again and gives the same.
 */

interface Head {
  readonly env: Readonly<Record<string, string>>;
  readonly flags: Readonly<Record<string, string>>;
  /** The body is a file of API keys, not of the configuration. */
  readonly isKeysFile?: boolean;
}

const EXAMPLES = joinPath(import.meta.dirname, '../../../config/examples');
/** Begins a variable in a value. */
const SIGN = '$';
const MAX_MS = 5_000;
const VALUES = [
  ...[
    '',
    '~',
    'null',
    'true',
    'off',
    '0',
    '1',
    '-1',
    '1e3',
    '0x10',
    '.inf',
    '.nan',
    '1.5',
    '30s',
    '0s',
    '9999999h',
    '64KiB',
    '16MiB',
    '1GB',
  ],
  ...[
    '"a\\0b"',
    "'it''s'",
    '[]',
    '[a, b]',
    '[[a]]',
    '{a: 1}',
    '{}',
    '*x',
    '&x 1',
    '!!binary aGk=',
    '!!set {a}',
    '!!js/function x',
    '2001-01-01',
  ],
  ...[
    `${SIGN}{HOME}`,
    `${SIGN}{X:-30s}`,
    `${SIGN}{X:?needed}`,
    `${SIGN}{`,
    `${SIGN}${SIGN}{X}`,
    `${SIGN}{X`,
    '|\n  text',
    '>-\n  a\n  b',
    '":8082"',
    '127.0.0.1:0',
    '[::1]:80',
    '100/s burst 5',
  ],
  ...[
    '__proto__',
    'constructor',
    '\u2028',
    '\ufeff',
    '12345678901234567890',
    '<<',
    '- a',
    '? a',
    '@x',
    '`x`',
    '%TAG',
    '# c',
    '\t',
    '...',
    '---',
  ],
];
const folder = makeTemporaryFolder('config');
const file = joinPath(folder, 'config.yaml');

export const configTarget: FuzzTarget = {
  name: 'config',
  runsPerSecond: 70,
  make(random) {
    if (random.chance(0.1))
      return join({
        head: { env: {}, flags: {}, isKeysFile: true },
        body: Buffer.from('# keys\nfirst-key\n\nsecond-key\n'),
      });
    return join({ head: makeHead(random), body: Buffer.from(random.chance(0.3) ? example(random) : makeYaml(random)) });
  },
  mutate(input, random) {
    const { head, body } = split<Head>(input);
    return join({
      head: random.chance(0.1) ? { ...head, ...makeHead(random) } : head,
      body: mutateBytes(body, random),
    });
  },
  *simpler(input) {
    const { head, body } = split<Head>(input);
    yield join({ head: { ...head, env: {} }, body });
    yield join({ head: { ...head, flags: {} }, body });
    for (const simpler of withoutPieces(body)) yield join({ head, body: simpler });
  },
  check(input) {
    const { head, body } = split<Head>(input);
    const begun = performance.now();
    writeFileSync(file, body);
    const { env, flags, isKeysFile = false } = head;
    const given = isKeysFile
      ? { env: { LOGFORGE_AUTH_ENABLED: 'true', LOGFORGE_AUTH_KEYS_FILE: file } }
      : { file, env, flags };
    const loaded = load(given, body);
    if (loaded !== undefined && !isKeysFile) comesBack(loaded);
    const took = performance.now() - begun;
    promise(took < MAX_MS, () => `it took ${Math.round(took)} ms`);
  },
};

function load(given: ConfigInput, body: Buffer): LoadedConfig | undefined {
  try {
    return loadConfig(given);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    promise(error.problems.length > 0, () => 'a ConfigError without a problem');
    const lines = body.toString('latin1').split(/\r\n|\r|\n/).length;
    for (const { source, message, key } of error.problems) {
      promise(message !== '' && source.name !== '', () => `a problem without words or place: ${error.message}`);
      promise(!/is not a function|Cannot read prop|undefined|\[object/.test(message), () => `a raw error: ${message}`);
      const isNamed =
        source.kind !== 'file' || source.line !== undefined || message.startsWith('cannot read the file') || key !== '';
      promise(isNamed, () => `a problem without a line: ${error.message}`);
      promise(
        (source.line ?? 1) >= 1 && (source.line ?? 1) <= lines,
        () => `line ${source.line} of ${lines}: ${message}`,
      );
    }
    return undefined;
  }
}

/** A list of objects has no variable: `streams[2].name`. */
function isInList(key: string): boolean {
  const [, list] = /^([^[]+)\[\d+\]/.exec(key) ?? [];
  return list !== undefined && listsByPath.has(list);
}

/** Every value that is no secret, as it is shown, set by the environment: the same configuration. */
function comesBack(loaded: LoadedConfig): void {
  const env: Record<string, string> = {};
  const secrets = new Set<string>();
  const rows = describeConfig(loaded);
  for (const { key, value } of rows) {
    if (isInList(key)) continue;
    const known = keysByPath.get(key);
    if (known === undefined) throw new FaultError(`describeConfig names the unknown key ${key}`);
    if (known.leaf.secret) secrets.add(key);
    // An empty variable counts as not set.
    else if (value !== '') env[known.env] = value;
  }
  if (secrets.size > 0 && loaded.config.auth.enabled) env.LOGFORGE_AUTH_KEYS = 'k';
  if (loaded.config.kafka.sasl.mechanism !== 'none') env.LOGFORGE_KAFKA_SASL_PASSWORD = 'p';
  delete env.LOGFORGE_AUTH_KEYS_FILE;
  const again = new Map(describeConfig(loadConfig({ env })).map(({ key, value }) => [key, value]));
  for (const { key, value } of rows) {
    if (secrets.has(key) || value === '' || key === 'auth.keysFile' || isInList(key)) continue;
    promise(
      again.get(key) === value,
      () => `${key} was ${JSON.stringify(value)} and is ${JSON.stringify(again.get(key))}`,
    );
  }
}

function example(random: Random): string {
  const names = readdirSync(EXAMPLES)
    .filter((name) => name.endsWith('.yaml'))
    .sort();
  return readFileSync(joinPath(EXAMPLES, random.pick(names)), 'utf8');
}

function makeHead(random: Random): Head {
  const env: Record<string, string> = {};
  const flags: Record<string, string> = {};
  const keys = [...keysByPath.values()];
  if (random.chance(0.4)) env[random.chance(0.9) ? random.pick(keys).env : 'LOGFORGE_SERVER_ADR'] = random.pick(VALUES);
  if (random.chance(0.3)) flags[random.pick(Object.keys(CONFIG_FLAGS))] = random.pick(VALUES);
  if (random.chance(0.2)) env.X = random.pick(VALUES);
  return { env, flags };
}

/** Sections and keys of the schema, with values of all kinds, some of them with keys that are not known. */
function makeYaml(random: Random): string {
  const sections = new Map<string, string[]>();
  for (let i = random.int(0, 8); i > 0; i--) {
    const { path, leaf } = random.pick([...keysByPath.values()]);
    const parts = random.chance(0.9) ? path.split('.') : [...path.split('.'), 'x'];
    const value = random.chance(0.6) && leaf.default !== undefined ? JSON.stringify(leaf.default) : random.pick(VALUES);
    const name = parts.pop() ?? '';
    const section = parts.join('.');
    sections.set(section, [...(sections.get(section) ?? []), `${name}: ${value}`]);
  }
  let text = random.chance(0.1) ? '--- \n' : '';
  for (const [section, lines] of sections) {
    const parts = section === '' ? [] : section.split('.');
    text += parts.map((part, depth) => `${'  '.repeat(depth)}${part}:\n`).join('');
    text += lines.map((line) => `${'  '.repeat(parts.length)}${line}\n`).join('');
  }
  return text;
}
