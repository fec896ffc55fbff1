import { readFileSync } from 'node:fs';
import type { ServiceTls } from '../outputs/outputs.ts';
import { type Io, type Options, UsageError } from './command.ts';

const DEFAULT_URL = 'http://127.0.0.1:8082';

/** How to reach a running service. */
export const serviceOptions = {
  url: { value: 'URL', help: `The service. Default ${DEFAULT_URL}.` },
  'api-key': {
    value: 'KEY',
    help: 'The API key, if the service needs one. Better set $LOGFORGE_API_KEY.',
  },
  ca: {
    value: 'FILE',
    completes: 'file',
    help: 'PEM file with the certificates by which that of an https service must be signed. Default: those that Node.js knows.',
  },
  cert: { value: 'FILE', completes: 'file', help: 'PEM file with a client certificate, if the service asks for one.' },
  key: { value: 'FILE', completes: 'file', help: 'PEM file with the private key of --cert.' },
  insecure: {
    help: 'Do not check the certificate of an https service. Anybody on the way can then read and change what is sent.',
  },
} as const satisfies Options;

export const SERVICE_ENVIRONMENT = { LOGFORGE_API_KEY: 'The API key, when --api-key is not given.' } as const;

export interface ServiceAddress {
  readonly url: URL;
  readonly apiKey: string | undefined;
  readonly tls: ServiceTls;
}

interface TlsValues {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly insecure?: boolean | undefined;
}

interface Values extends TlsValues {
  readonly url?: string | undefined;
  readonly 'api-key'?: string | undefined;
}

/** The URL of `path` at the service, the API key, and TLS. `flag`: the name of that of the URL, for messages. Throws UsageError, and an Error where a file cannot be read. */
export function readService(values: Values, io: Io, path: string, flag = 'url'): ServiceAddress {
  const text = values.url ?? DEFAULT_URL;
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new UsageError(`--${flag} must be an address such as ${DEFAULT_URL}, got ${JSON.stringify(text)}`);
  }
  if (url.protocol !== 'https:' && hasTlsFlags(values)) {
    throw new UsageError(`--ca, --cert, --key and --insecure are for a --${flag} that begins with https://`);
  }
  url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`;
  return { url, apiKey: values['api-key'] ?? io.env.LOGFORGE_API_KEY, tls: readTls(values) };
}

/** Whether a flag of TLS is given. */
export function hasTlsFlags({ ca, cert, key, insecure = false }: TlsValues): boolean {
  return insecure || (ca ?? cert ?? key) !== undefined;
}

/** TLS as the flags say. Throws UsageError where they do not go together, and an Error where a file cannot be read. */
export function readTls({ ca, cert, key, insecure = false }: TlsValues): ServiceTls {
  if ((cert === undefined) !== (key === undefined)) throw new UsageError('give --cert and --key together');
  if (insecure && ca !== undefined) throw new UsageError('give --ca or --insecure, not both');
  return {
    ...(ca !== undefined && { ca: readPem('ca', ca) }),
    ...(cert !== undefined && { cert: readPem('cert', cert) }),
    ...(key !== undefined && { key: readPem('key', key) }),
    ...(insecure && { rejectUnauthorized: false }),
  };
}

function readPem(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`cannot read --${flag} file=${path}: ${reason}`, { cause });
  }
}
