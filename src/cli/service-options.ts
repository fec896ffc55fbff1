import { type Io, type Options, UsageError } from './command.ts';

const DEFAULT_URL = 'http://127.0.0.1:8082';

/** How to reach a running service. */
export const serviceOptions = {
  url: { value: 'URL', help: `The service. Default ${DEFAULT_URL}.` },
  'api-key': {
    value: 'KEY',
    help: 'The API key, if the service needs one. Better set $LOGFORGE_API_KEY.',
  },
} as const satisfies Options;

export const SERVICE_ENVIRONMENT = { LOGFORGE_API_KEY: 'The API key, when --api-key is not given.' } as const;

/** The URL of `path` at the service, and the API key. Throws UsageError. */
export function readService(
  values: { readonly url?: string | undefined; readonly 'api-key'?: string | undefined },
  io: Io,
  path: string,
): { readonly url: URL; readonly apiKey: string | undefined } {
  const text = values.url ?? DEFAULT_URL;
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new UsageError(`--url must be an address such as ${DEFAULT_URL}, got ${JSON.stringify(text)}`);
  }
  url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`;
  return { url, apiKey: values['api-key'] ?? io.env.LOGFORGE_API_KEY };
}
