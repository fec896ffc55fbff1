import { describeConfig } from '../config/config.ts';
import { type Command, EXIT, UsageError } from './command.ts';
import {
  CONFIG_ENVIRONMENT,
  CONFIG_EXIT_CODE,
  configFileOption,
  configKeyOptions,
  loadCliConfig,
} from './config-options.ts';
import { parseFlags } from './parse-flags.ts';
import { printable, table } from './print.ts';

const options = {
  ...configFileOption,
  ...configKeyOptions,
  show: { help: 'Print every key in force and where it comes from, secrets masked, instead of ok.' },
};

export const validate: Command = {
  name: 'validate',
  summary: 'check a configuration and list every problem in it',
  help: {
    synopsis: ['validate [OPTION]... [FILE]'],
    description: [
      'Reads the configuration as serve would, from FILE (or --config), the environment and the flags, and starts nothing. Prints ok, or every problem with its file, line and key, and the nearest known key where one is misspelt.',
    ],
    examples: [
      { text: 'Before a deployment:', command: 'logforge validate config.yaml && systemctl restart logforge' },
      { text: 'What would be in force, and why:', command: 'logforge validate --show config.yaml' },
      { text: 'With the environment of a container:', command: 'docker run --rm --env-file app.env logforge validate' },
    ],
    exitCodes: CONFIG_EXIT_CODE,
    environment: CONFIG_ENVIRONMENT,
  },
  options,
  completes: 'file',
  async run(args, io) {
    const { values, positionals } = parseFlags(args, options, { maxPositionals: 1 });
    const [file] = positionals;
    if (file !== undefined && values.config !== undefined) throw new UsageError('give either FILE or --config');
    const { show, ...settings } = values;
    const loaded = loadCliConfig(file === undefined ? settings : { ...settings, config: file }, io);
    const rows = describeConfig(loaded).map(({ key, value, source }) => [key, printable(value), source]);
    io.stdout.write(show ? table([['KEY', 'VALUE', 'FROM'], ...rows]) : 'ok\n');
    return EXIT.ok;
  },
};
