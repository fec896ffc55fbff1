import type { Config } from '../config/config.ts';
import type { Log } from '../log.ts';
import { openTlsFiles, type TlsFiles } from '../runtime/tls-files.ts';

/** The certificate of the HTTP server; undefined without `server.tls`. Throws when the files cannot be used. Its server closes it. */
export function openServerTls(
  { tls: { cert, key, clientCa, minVersion } }: Pick<Config['server'], 'tls'>,
  log: Pick<Log, 'info' | 'error'>,
): TlsFiles | undefined {
  if (cert === '') return undefined;
  return openTlsFiles({ cert, key, clientCa: clientCa === '' ? undefined : clientCa, minVersion, name: 'http', log });
}
