import type { Kafka as Client, logCreator, RetryOptions, SASLOptions } from 'kafkajs';
import type { Log } from '../../../log.ts';
import type { DriverOptions } from '../driver.ts';
import { registerCodecs } from './codecs.ts';
import { Kafka, logLevel } from './library.ts';

export type KafkaJsOptions = DriverOptions & { readonly log: Log };

const CONNECT_TIMEOUT_MS = 1_500;

/**
 * A client of its own for each producer, consumer and admin: clients of one `Kafka` share their view of the offsets that
 * the group has committed.
 */
export function createKafkaJs(options: KafkaJsOptions, requestTimeout: number, retry: RetryOptions): Client {
  registerCodecs();
  const { brokers, clientId, ssl, sasl, log } = options;
  return new Kafka({
    brokers: [...brokers],
    clientId,
    requestTimeout,
    retry,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    authenticationTimeout: CONNECT_TIMEOUT_MS * 2,
    logLevel: logLevel.WARN,
    logCreator: toLogCreator(log),
    ...(ssl !== undefined && { ssl: { ...ssl } }),
    ...(sasl !== undefined && { sasl: toSasl(sasl) }),
  });
}

/** Each mechanism by itself: the library's type allows no union. */
function toSasl({ mechanism, username, password }: NonNullable<DriverOptions['sasl']>): SASLOptions {
  switch (mechanism) {
    case 'plain':
      return { mechanism, username, password };
    case 'scram-sha-256':
      return { mechanism, username, password };
    case 'scram-sha-512':
      return { mechanism, username, password };
  }
}

/** While a broker is unavailable, logforge's own messages say so once. Those of the library are for debugging. */
function toLogCreator(log: Log): logCreator {
  return () => {
    return ({ namespace, log: { message, ...rest } }) => {
      log.debug('kafkajs', { namespace, text: message, retryCount: rest.retryCount, cause: rest.error, fold: message });
    };
  };
}
