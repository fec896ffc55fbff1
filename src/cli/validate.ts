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
  show: {
    help: 'Print the effective configuration and where each key comes from, with secrets masked, instead of ok.',
  },
};

export const validate: Command = {
  name: 'validate',
  summary: 'check a configuration and list every problem in it',
  help: {
    synopsis: ['validate [OPTION]... [FILE]'],
    description: [
      'Reads the configuration as serve does, from FILE (or --config), the environment and the flags, and starts nothing. Prints ok, or every problem with its file, line and key, and the nearest known key when a key is misspelt.',
    ],
    examples: [
      { text: 'Before a deployment:', command: 'logforge validate config.yaml && systemctl restart logforge' },
      {
        text: 'The effective configuration, and where it comes from:',
        command: 'logforge validate --show config.yaml',
      },
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
    const rows = describeConfig(loaded).map(({ key, value, source }) => [key, value, source].map(printable));
    io.stdout.write(show ? table([['KEY', 'VALUE', 'FROM'], ...rows]) : 'ok\n');
    return EXIT.ok;
  },
};
