import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { SecureContextOptions } from 'node:tls';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { makeCertificates, type Pair } from '../../test/support/certificates.ts';
import { eventually } from '../../test/support/storage.ts';
import { openTlsFiles } from './tls-files.ts';

const certificates = makeCertificates();
afterAll(() => certificates.remove());
const authority = certificates.authority('authority');

interface Logged {
  readonly level: 'info' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>> | undefined;
}

function open(pair: Pair, clientCa?: string) {
  const logged: Logged[] = [];
  const contexts: SecureContextOptions[] = [];
  const files = openTlsFiles({
    ...pair,
    clientCa,
    minVersion: 'TLSv1.2',
    name: 'test',
    log: {
      info: (message, fields) => void logged.push({ level: 'info', message, fields }),
      error: (message, fields) => void logged.push({ level: 'error', message, fields }),
    },
    pollMs: 10,
  });
  onTestFinished(() => files.close());
  files.follow({ setSecureContext: (context: SecureContextOptions) => void contexts.push(context) });
  return { files, logged, contexts };
}

describe('the files of TLS', () => {
  it('are refused with the path and what is wrong', () => {
    const one = authority.issue('one');
    const other = authority.issue('other');
    const missing = `${one.cert}.none`;
    expect(() => open({ ...one, cert: missing })).toThrow(`cannot read TLS file=${missing}: ENOENT`);
    expect(() => open({ cert: one.cert, key: other.key })).toThrow(
      `cannot use TLS cert=${one.cert} with key=${other.key}`,
    );
    expect(() => open({ cert: one.key, key: one.key })).toThrow('cannot use TLS cert=');
    expect(() => open(one, missing)).toThrow(`cannot read TLS file=${missing}`);
  });

  it('ask for client certificates only where there is a clientCa', () => {
    const pair = authority.issue('asks');
    expect(open(pair).files.options()).toMatchObject({ requestCert: false, rejectUnauthorized: false });
    expect(open(pair, authority.cert).files.options()).toMatchObject({ requestCert: true, rejectUnauthorized: true });
  });

  it('are read again when they are renewed', async () => {
    const pair = authority.issue('renewed');
    const { files, logged, contexts } = open(pair);
    const next = authority.issue('next');
    certificates.replace(pair, next);
    await eventually(() => expect(logged.at(-1)?.level).toBe('info'));
    expect(contexts).toHaveLength(1);
    expect(contexts[0]?.cert).toEqual(files.options().cert);
  });

  it('stay as they were while the renewed ones cannot be used, and are read when they can', async () => {
    const pair = authority.issue('broken');
    const { files, logged, contexts } = open(pair);
    const before = files.options().cert;
    const next = authority.issue('mended');
    writeFileSync(pair.cert, 'no certificate');
    await eventually(() => expect(logged.at(-1)?.level).toBe('error'));
    expect(String(logged.at(-1)?.fields?.err)).toContain(pair.cert);
    rmSync(pair.key);
    await eventually(() => expect(String(logged.at(-1)?.fields?.err)).toContain(pair.key));
    expect(contexts).toEqual([]);
    expect(files.options().cert).toEqual(before);
    certificates.replace(pair, next);
    await eventually(() => expect(contexts.length).toBeGreaterThan(0));
  });

  it('stay as they were while their folder cannot be looked into', async () => {
    const pair = authority.issue('lost');
    const link = `${pair.cert}.link`;
    symlinkSync(pair.cert, link);
    const { files, logged, contexts } = open({ cert: link, key: pair.key });
    const before = files.options().cert;
    rmSync(link);
    symlinkSync(link, link);
    await eventually(() => expect(logged.at(-1)?.level).toBe('error'));
    expect(String(logged.at(-1)?.fields?.err)).toContain('ELOOP');
    expect(files.options().cert).toEqual(before);
    rmSync(link);
    symlinkSync(pair.cert, link);
    await eventually(() => expect(contexts).toHaveLength(1));
  });
});
