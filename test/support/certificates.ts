// Certificates for tests, by the program openssl.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Paths of PEM files. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Pair {
  /** The text of its certificate, as clients take it (`ca`). */
  readonly pem: string;
  /** A new certificate for localhost and 127.0.0.1, valid from now. `days`: below 0 it has expired. */
  issue(name: string, options?: { readonly days?: number }): Pair;
}

export interface Certificates {
  readonly folder: string;
  /** A new authority, which nobody trusts yet. */
  authority(name: string): Authority;
  /** Puts the files of `from` in the place of those of `to`, as a renewal does. */
  replace(to: Pair, from: Pair): void;
  remove(): void;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Makes a folder for certificates. The caller removes it. Throws where there is no openssl (Debian: apt install openssl). */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'logforge-certs-'));
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const pathsOf = (name: string): Pair => ({ cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) });

  function authority(name: string): Authority {
    const own = pathsOf(name);
    openssl('req', '-x509', ...NEW_KEY, '-keyout', own.key, '-out', own.cert, '-days', '30', '-subj', `/CN=${name}`);
    return {
      ...own,
      pem: readFileSync(own.cert, 'utf8'),
      issue(leaf, { days = 30 } = {}) {
        const pair = pathsOf(leaf);
        const extensions = join(folder, `${leaf}.ext`);
        writeFileSync(extensions, 'basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n');
        openssl('req', ...NEW_KEY, '-keyout', pair.key, '-out', `${leaf}.csr`, '-subj', `/CN=${leaf}`);
        const by = ['-CA', own.cert, '-CAkey', own.key, '-days', String(days), '-extfile', extensions];
        openssl('x509', '-req', '-in', `${leaf}.csr`, ...by, '-out', pair.cert);
        return pair;
      },
    };
  }

  return {
    folder,
    authority,
    replace(to, from) {
      copyFileSync(from.key, to.key);
      copyFileSync(from.cert, to.cert);
      // Files of the same size within a clock tick would look the same.
      const now = Date.now() / 1_000 + 1;
      utimesSync(to.cert, now, now);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
