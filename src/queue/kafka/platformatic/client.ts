import { Consumer, findErrorBy } from '@platformatic/kafka';
import type { Log } from '../../../log.ts';
import type { DriverOptions } from '../driver.ts';

export type PlatformaticOptions = DriverOptions & { readonly log: Log };

const CONNECT_TIMEOUT_MS = 1_500;
const METADATA_MAX_AGE_MS = 30_000;
/** Of a member of the group, and of the client that fetches for it. */
export const REQUEST_TIMEOUT_MS = 30_000;

/** Options of every client of this library: no retries of its own, which would resend without our knowing. */
export function clientOptions({ brokers, clientId, ssl, sasl }: DriverOptions, requestTimeout: number) {
  return {
    clientId,
    bootstrapBrokers: [...brokers],
    connectTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout,
    timeout: requestTimeout,
    retries: 0,
    metadataMaxAge: METADATA_MAX_AGE_MS,
    autocreateTopics: false,
    ...(ssl !== undefined && { tls: { ...ssl } }),
    ...(sasl !== undefined && {
      sasl: { ...sasl, mechanism: SASL_MECHANISMS[sasl.mechanism] },
    }),
  };
}

/** A consumer that never joins its group, and only fetches. */
export function createFetcher(options: PlatformaticOptions): Consumer {
  const { fetch, groupId, topic } = options;
  const timeout = Math.max(REQUEST_TIMEOUT_MS, fetch.maxWaitMs * 2);
  const fetcher = new Consumer({ ...clientOptions(options, timeout), groupId });
  fetcher.topics.track(topic);
  return fetcher;
}

const SASL_MECHANISMS = {
  plain: 'PLAIN',
  'scram-sha-256': 'SCRAM-SHA-256',
  'scram-sha-512': 'SCRAM-SHA-512',
} as const;

/** Whether the broker answered with this error of the protocol, at any depth of the library's error. */
export function hasApiId(error: unknown, apiId: string): boolean {
  return error instanceof Error && findErrorBy(error, 'apiId', apiId) !== null;
}

/** Errors that stay whatever is tried: the process should end and say so. */
export function isPermanent(error: unknown): boolean {
  const ids = ['GROUP_AUTHORIZATION_FAILED', 'TOPIC_AUTHORIZATION_FAILED', 'SASL_AUTHENTICATION_FAILED'];
  return ids.some((id) => hasApiId(error, id)) || hasApiId(error, 'INCONSISTENT_GROUP_PROTOCOL');
}
