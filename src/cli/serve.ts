import { startService } from '../app/app.ts';
import { createLog, type Log } from '../log.ts';
import { readBuildInfo } from './build-info.ts';
import { type Command, EXIT } from './command.ts';
import {
  CONFIG_ENVIRONMENT,
  CONFIG_EXIT_CODE,
  configFileOption,
  configKeyOptions,
  loadCliConfig,
} from './config-options.ts';
import { parseFlags, toTwoDashes } from './parse-flags.ts';
import { PROFILE_ENVIRONMENT, readProfileSettings, startProfiling } from './profiling.ts';
import { stopSignal } from './stop-signal.ts';

const options = { ...configFileOption, ...configKeyOptions };

export const serve: Command = {
  name: 'serve',
  summary: 'accept logs over HTTP, store and summarise them',
  help: {
    synopsis: ['serve [OPTION]...'],
    description: [
      'Serves POST /logs until it is stopped. Version 1 (the default) stores batches in hourly files. Version 2 sends them to Kafka, and its consumers store them in the same files. Without a configuration file version 1 runs on defaults: port 8082, folders logs, analytics, state and dlq in the working directory.',
      'SIGTERM or SIGINT stops it in order: it accepts no new requests, answers those it has, and syncs everything, all within server.shutdownTimeout. A second signal ends it at once. Nothing that was answered is lost, not even then. SIGHUP, SIGUSR1 and SIGUSR2 do nothing.',
    ],
    examples: [
      { text: 'On defaults:', command: 'logforge serve' },
      { text: 'On another port and folder:', command: 'logforge serve --addr 127.0.0.1:9000 --logs-dir /var/log/web' },
      { text: 'With a configuration:', command: 'logforge serve --config /etc/logforge.yaml' },
    ],
    exitCodes: {
      1: 'The service could not start (the port is taken, a folder is in use by another process), a part of it failed permanently, or it did not stop in time.',
      ...CONFIG_EXIT_CODE,
    },
    environment: { ...CONFIG_ENVIRONMENT, ...PROFILE_ENVIRONMENT },
  },
  options,
  async run(args, io) {
    const { values } = parseFlags(toTwoDashes(args, options), options);
    const { config } = loadCliConfig(values, io);
    const profileSettings = readProfileSettings(io.env, config.version);
    const log = createLog({ level: config.logging.level, format: config.logging.format });
    try {
      // With a listener, a file that reaches RLIMIT_FSIZE is an error of the write, answered 503. Without one it ends the process.
      process.on('SIGXFSZ', () => undefined);
      const stopped = stopSignal(process);
      ignoreSignals(log);
      const profiling = await startProfiling(profileSettings, log);
      try {
        const service = await startService({ config, build: readBuildInfo(), log });
        const failure = service.failed.then((err) => ({ signal: undefined, err }));
        const stop = stopped.then((signal) => ({ signal, err: undefined }));
        const { signal, err } = await Promise.race([stop, failure]);
        if (err !== undefined) log.fatal('the Kafka consumer failed permanently', { err });
        log.info('stopping', { signal, budgetMs: config.server.shutdownTimeout });
        await profiling?.beforeStop();
        const clean = await service.stop(config.server.shutdownTimeout);
        log.info('stopped', { clean });
        return clean && err === undefined ? EXIT.ok : EXIT.failure;
      } finally {
        await profiling?.close();
      }
    } finally {
      log.close();
      // Everything of the service has stopped. A library that still tries to reach a broker is not waited for.
      setTimeout(() => process.exit(), LINGER_MS).unref();
    }
  },
};

/** How long the process may live on after a stop, in milliseconds. */
const LINGER_MS = 500;

/** Without a listener these two end the process. SIGHUP is kept for reading the configuration again. */
function ignoreSignals(log: Log): void {
  for (const signal of ['SIGHUP', 'SIGUSR2'] as const) {
    process.on(signal, () => log.info('this signal does nothing; SIGTERM stops the service', { signal }));
  }
}
