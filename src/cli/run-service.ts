import type { Service } from '../app/app.ts';
import type { Config } from '../config/config.ts';
import { createLog, type Log } from '../log.ts';
import { EXIT } from './command.ts';
import { stopSignal } from './stop-signal.ts';

/** Runs a service that stands alone until a signal stops it. Resolves with the exit status; rejects where it cannot start. */
export async function runService(
  { logging, server }: Pick<Config, 'logging' | 'server'>,
  start: (log: Log) => Promise<Pick<Service, 'stop'>>,
): Promise<number> {
  const log = createLog({ level: logging.level, format: logging.format });
  try {
    // With a listener, a file that reaches RLIMIT_FSIZE is an error of the write, answered 503. Without one it ends the process.
    process.on('SIGXFSZ', () => undefined);
    const stopped = stopSignal(process);
    const service = await start(log);
    const signal = await stopped;
    log.info('stopping', { signal, budgetMs: server.shutdownTimeout });
    const clean = await service.stop(server.shutdownTimeout);
    log.info('stopped', { clean });
    return clean ? EXIT.ok : EXIT.failure;
  } finally {
    log.close();
  }
}
