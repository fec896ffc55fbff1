import { startRegistryService } from '../app/registry-service.ts';
import type { Command, Options } from './command.ts';
import { CONFIG_ENVIRONMENT, CONFIG_EXIT_CODE, configFileOption, loadCliConfig, settingOr } from './config-options.ts';
import { parseFlags } from './parse-flags.ts';
import { runService } from './run-service.ts';

const options = {
  ...configFileOption,
  addr: { value: 'ADDR', help: 'Address to listen on. Default :8000, or server.addr where it is set.' },
  'state-dir': {
    value: 'DIR',
    completes: 'directory',
    help: 'Folder of the schemas. Default registry, or storage.stateDir where it is set.',
  },
} satisfies Options;

export const registry: Command = {
  name: 'registry',
  summary: 'run the schema registry alone',
  help: {
    synopsis: ['registry [OPTION]...'],
    description: [
      'Serves the API of the Confluent Schema Registry under / and /registry, and the routes /schema/*, until it is stopped. logforge serve has a registry of its own under /registry. Run one alone where several services share it: set registry.url for them.',
      'Of the configuration it reads auth, logging, registry and the limits of server. SIGTERM or SIGINT stops it in order. A second signal ends it at once. A registration that was answered is on disk.',
    ],
    examples: [
      { text: 'On defaults:', command: 'logforge registry' },
      {
        text: 'On another port and folder:',
        command: 'logforge registry --addr 127.0.0.1:8081 --state-dir /var/lib/registry',
      },
    ],
    exitCodes: {
      1: 'It could not start (the port is taken, the folder is in use by another process), or it did not stop in time.',
      ...CONFIG_EXIT_CODE,
    },
    environment: CONFIG_ENVIRONMENT,
  },
  options,
  async run(args, io) {
    const { values } = parseFlags(args, options, { maxPositionals: 0 });
    const loaded = loadCliConfig(values, io);
    const { config } = loaded;
    const { server, storage } = config;
    const addr = settingOr(loaded, 'server.addr', server.addr, ':8000');
    const dir = settingOr(loaded, 'storage.stateDir', storage.stateDir, 'registry');
    return runService(config, (log) => startRegistryService({ config, addr, dir, log }));
  },
};
