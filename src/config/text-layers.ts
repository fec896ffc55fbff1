import { nearest } from '../model/nearest.ts';
import { keysByPath } from './keys.ts';
import type { Problem, Source } from './problem.ts';
import { fromText, type Layer, type Setting } from './setting.ts';

type Words = Readonly<Record<string, string | undefined>>;

/** Variables with the prefix LOGFORGE_ that are not keys of the configuration. */
export const OTHER_VARIABLES: Readonly<Record<string, string>> = {
  LOGFORGE_CONFIG: 'The configuration file, when `--config` is not given.',
  LOGFORGE_API_KEY: 'The API key that `logforge replay`, `tail`, `top` and `dlq replay` send.',
};

/** Kubernetes sets variables such as `<SERVICE>_SERVICE_HOST` and `<SERVICE>_PORT_8082_TCP_ADDR` in every pod. */
const KUBERNETES =
  /^LOGFORGE_(?:.+_)?(?:SERVICE_(?:HOST|PORT)(?:_.+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:ADDR|PORT|PROTO))?)?)$/;

/** Reads variables such as `LOGFORGE_SERVER_ADDR`. An empty variable counts as not set. */
export function readEnv(env: Words): Layer {
  const keys = new Map([...keysByPath.values()].map((key) => [key.env, key]));
  const settings: Setting[] = [];
  const problems: Problem[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('LOGFORGE_') || text === undefined || Object.hasOwn(OTHER_VARIABLES, name)) continue;
    const source: Source = { kind: 'env', name };
    const key = keys.get(name);
    if (key !== undefined) {
      if (text !== '') settings.push({ key, value: fromText(key, text), source });
    } else if (!KUBERNETES.test(name)) {
      const meant = nearest(name, [...keys.keys(), ...Object.keys(OTHER_VARIABLES)]);
      const message = meant === undefined ? 'unknown variable' : `unknown variable, did you mean ${meant}?`;
      problems.push({ key: '', source, message });
    }
  }
  return { settings, problems };
}

/** The flags that set a key, by long name. */
export const CONFIG_FLAGS = {
  version: 'version',
  addr: 'server.addr',
  'logs-dir': 'storage.logsDir',
  'analytics-dir': 'storage.analyticsDir',
  'state-dir': 'storage.stateDir',
  'dlq-dir': 'storage.dlqDir',
  'aggregation-interval': 'aggregation.interval',
} as const;

export type ConfigFlags = { readonly [F in keyof typeof CONFIG_FLAGS]?: string | undefined };

/** Reads the flags of the command line. */
export function readFlags(flags: ConfigFlags): Layer {
  const settings: Setting[] = [];
  const given: Words = flags;
  for (const [flag, path] of Object.entries(CONFIG_FLAGS)) {
    const text = given[flag];
    const key = keysByPath.get(path);
    if (text === undefined || key === undefined) continue;
    settings.push({ key, value: fromText(key, text), source: { kind: 'flag', name: `--${flag}` } });
  }
  return { settings, problems: [] };
}
