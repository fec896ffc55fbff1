import { readFileSync, statSync } from 'node:fs';
import {
  createSecureContext,
  type SecureContextOptions,
  type SecureVersion,
  type Server,
  type TlsOptions,
} from 'node:tls';
import { codeOf } from '../disk/missing.ts';
import type { Log } from '../log.ts';

export interface TlsFilesOptions {
  /** Paths of PEM files: the certificate with its chain, and its private key. */
  readonly cert: string;
  readonly key: string;
  /** The certificates by which those of clients must be signed. Undefined: clients need none. */
  readonly clientCa: string | undefined;
  readonly minVersion: SecureVersion;
  /** Names the server in the log. */
  readonly name: string;
  readonly log: Pick<Log, 'info' | 'error'>;
  /** How often the files are looked at, milliseconds. */
  readonly pollMs?: number;
}

/** The certificate of a server, which follows its files: a renewed one needs no restart. */
export interface TlsFiles {
  /** For a server that is made now. */
  options(): TlsOptions;
  /** New connections of the server get what the files have from now on. Gives the server back. */
  follow<S extends Pick<Server, 'setSecureContext'>>(server: S): S;
  /** Looks at the files no more. */
  close(): void;
}

const POLL_MS = 1_000;

/** Reads the files. Throws, with the path and what is wrong, when they cannot be used. */
export function openTlsFiles(options: TlsFilesOptions): TlsFiles {
  const { clientCa, name, log, pollMs = POLL_MS } = options;
  let state = readState(options);
  let current = readContext(options);
  const servers: Pick<Server, 'setSecureContext'>[] = [];

  /** A pair of files is renewed one after the other, so what does not fit now may fit at the next look. */
  function look(): void {
    const now = readState(options);
    if (now === state) return;
    state = now;
    try {
      current = readContext(options);
      for (const server of servers) server.setSecureContext(current);
      log.info('the TLS certificate was read again', { server: name, cert: options.cert });
    } catch (err) {
      log.error('the changed TLS certificate cannot be used; the one before stays', { server: name, err });
    }
  }

  const timer = setInterval(look, pollMs).unref();
  return {
    options: () => ({ ...current, requestCert: clientCa !== undefined, rejectUnauthorized: clientCa !== undefined }),
    follow(server) {
      servers.push(server);
      return server;
    },
    close: () => clearInterval(timer),
  };
}

function pathsOf({ cert, key, clientCa }: TlsFilesOptions): readonly string[] {
  return clientCa === undefined ? [cert, key] : [cert, key, clientCa];
}

/** What shows that a file was changed or replaced. */
function readState(options: TlsFilesOptions): string {
  return pathsOf(options).map(stateOf).join(', ');
}

/** A file that cannot be looked at has its error for a state: the read that follows says what is wrong. */
function stateOf(path: string): string {
  try {
    const { dev, ino, size, mtimeMs } = statSync(path);
    return `${dev} ${ino} ${size} ${mtimeMs}`;
  } catch (error) {
    return String(codeOf(error) ?? error);
  }
}

function readContext(options: TlsFilesOptions): SecureContextOptions {
  const { cert, key, clientCa, minVersion } = options;
  const read = (path: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (cause) {
      throw new Error(`cannot read TLS file=${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
      });
    }
  };
  const context = {
    cert: read(cert),
    key: read(key),
    minVersion,
    ...(clientCa !== undefined && { ca: read(clientCa) }),
  };
  try {
    createSecureContext(context);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`cannot use TLS cert=${cert} with key=${key}: ${reason}`, { cause });
  }
  return context;
}
