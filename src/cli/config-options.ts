import { type LoadedConfig, loadConfig } from '../config/config.ts';
import type { ConfigFlags } from '../config/text-layers.ts';
import type { Io, Options } from './command.ts';

/** Where the configuration comes from; for every command that reads it. */
export const configFileOption = {
  config: {
    value: 'FILE',
    short: 'c',
    completes: 'file',
    help: 'Configuration file (YAML). Without it: $LOGFORGE_CONFIG, or else the defaults.',
  },
} satisfies Options;

/** The flags that set a key of the configuration. A command offers those that it needs. */
export const configKeyOptions = {
  version: {
    value: '1|2',
    choices: ['1', '2'],
    help: 'The pipeline: 1 stores directly (default), 2 puts Kafka in between. Sets version.',
  },
  addr: {
    value: 'ADDR',
    help: 'Address to listen on, such as :8082 (default), 127.0.0.1:0 or [::1]:8082. Sets server.addr.',
  },
  'logs-dir': { value: 'DIR', completes: 'directory', help: 'Hourly files of records (logs). Sets storage.logsDir.' },
  'analytics-dir': {
    value: 'DIR',
    completes: 'directory',
    help: 'Hourly summaries (analytics). Sets storage.analyticsDir.',
  },
  'state-dir': {
    value: 'DIR',
    completes: 'directory',
    help: 'Commit journal and other private state (state). Sets storage.stateDir.',
  },
  'dlq-dir': { value: 'DIR', completes: 'directory', help: 'Dead letters (dlq). Sets storage.dlqDir.' },
  'aggregation-interval': {
    value: 'DURATION',
    help: 'Time between two runs of the aggregator, such as 500ms, 30s (default), 5m. Sets aggregation.interval.',
  },
} satisfies Options;

/** The exit code of every command that reads the configuration. */
export const CONFIG_EXIT_CODE = {
  78: 'The configuration is wrong; every problem is listed on standard error.',
} as const;

/** The environment variables that such a command reads. */
export const CONFIG_ENVIRONMENT = {
  LOGFORGE_CONFIG: 'The configuration file, when --config is not given.',
  'LOGFORGE_<SECTION>_<KEY>':
    'Any key of the configuration, such as LOGFORGE_SERVER_ADDR for server.addr. It overrides the file; a flag overrides both.',
} as const;

/** Loads the configuration that the command line and the environment name. Throws ConfigError. */
export function loadCliConfig(values: ConfigFlags & { readonly config?: string | undefined }, io: Io): LoadedConfig {
  const { config, ...flags } = values;
  return loadConfig({ file: config ?? (io.env.LOGFORGE_CONFIG || undefined), env: io.env, flags });
}

/** The value of a key where it is set anywhere, else the default of the command. */
export function settingOr(
  { sources }: Pick<LoadedConfig, 'sources'>,
  key: string,
  value: string,
  byDefault: string,
): string {
  return sources.get(key)?.kind === 'default' ? byDefault : value;
}
