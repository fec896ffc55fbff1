import { type Authenticate, createAuthenticate, WRONG_KEYS } from '../auth.ts';
import type { HttpServerOptions } from '../http.ts';
import { createRateLimit } from '../logs/rate-limit.ts';

/** The check of keys, with its metrics; undefined where auth is off. */
export function createMeteredAuth({
  auth,
  shared,
  metrics,
  log,
}: Pick<HttpServerOptions, 'auth' | 'shared' | 'metrics' | 'log'>): Authenticate | undefined {
  return createAuthenticate(auth, {
    takeWrongKey: createRateLimit({ ...WRONG_KEYS, buckets: shared?.wrongKeys }),
    onRefused: (client) => {
      metrics.authFailures.inc();
      if (client === undefined) return;
      metrics.authSlowed.inc();
      log.warn('a client address sends many wrong API keys; they are answered 429', { client });
    },
  });
}
