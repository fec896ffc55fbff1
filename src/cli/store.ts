import { startStoreService } from '../app/store-service.ts';
import { readBuildInfo } from './build-info.ts';
import type { Command, Options } from './command.ts';
import { CONFIG_ENVIRONMENT, CONFIG_EXIT_CODE, configFileOption, loadCliConfig, settingOr } from './config-options.ts';
import { parseFlags } from './parse-flags.ts';
import { runService } from './run-service.ts';

const DEFAULT_ADDR = ':3000';

const options = {
  ...configFileOption,
  addr: { value: 'ADDR', help: 'Address to listen on. Default :3000, or server.addr where it is set.' },
  db: { value: 'FILE', completes: 'file', help: 'The database, an SQLite file. Default store.path (store/lines.db).' },
  'read-only': { help: 'Read a database that another process may write at the same time. Lines are not accepted.' },
} satisfies Options;

export const store: Command = {
  name: 'store',
  summary: 'run the line store alone: logs of other machines, kept line by line',
  help: {
    synopsis: ['store [OPTION]...'],
    description: [
      'Serves POST /store/batch, GET /store/log, GET /store/files and GET /ruok until it is stopped. A line is known by its host, its file and its number; the same line again is overwritten. What is answered is synced. logforge serve has the same routes with store.enabled.',
      'One process writes to a database; a second one is refused. With --read-only any number of others read it, on other ports.',
      'Of the configuration it reads auth, logging, store and server. SIGTERM or SIGINT stops it in order. A second signal ends it at once. Nothing that was answered is lost, not even then.',
    ],
    examples: [
      { text: 'On defaults:', command: 'logforge store' },
      {
        text: 'With another database:',
        command: 'logforge store --addr 127.0.0.1:3000 --db /var/lib/logforge/lines.db',
      },
      {
        text: 'A reader beside it:',
        command: 'logforge store --read-only --addr 127.0.0.1:3001 --db /var/lib/logforge/lines.db',
      },
    ],
    exitCodes: {
      1: 'It could not start (the port is taken, the database is in use by another process or damaged), or it did not stop in time.',
      ...CONFIG_EXIT_CODE,
    },
    environment: CONFIG_ENVIRONMENT,
  },
  options,
  async run(args, io) {
    const { values } = parseFlags(args, options, { maxPositionals: 0 });
    const { db, 'read-only': readOnly = false, ...flags } = values;
    const loaded = loadCliConfig(flags, io);
    const { config } = loaded;
    const addr = settingOr(loaded, 'server.addr', config.server.addr, DEFAULT_ADDR);
    const path = db ?? config.store.path;
    return runService(config, (log) => {
      return startStoreService({ config, addr, path, readOnly, build: readBuildInfo(), log });
    });
  },
};
