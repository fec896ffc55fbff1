import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import { ensurePackage, INSTALL_TIMEOUT_MS, isOnPath } from '../support/debian.ts';
import { lineOf, readNumbers, startWithInputs, whereOf } from '../support/input-service.ts';
import { removeDirs, type Service } from '../support/service.ts';
import { eventually } from '../support/storage.ts';
import { readMetric } from '../support/version2.ts';

/* Programs that administrators have send to inputs. */

const COUNT = 5_000;
const lines = Array.from({ length: COUNT }, (_, i) => lineOf('a', i)).join('');
const numbers = Array.from({ length: COUNT }, (_, i) => i);

/** Root, and CI, install it. */
const hasSocat = isOnPath('socat') || process.getuid?.() === 0 || process.env.CI !== undefined;
if (!hasSocat) process.stderr.write('socat is not installed: its tests are skipped\n');

const certificates = makeCertificates();
afterAll(() => certificates.remove());

let service: Service;
afterEach(async () => {
  await service.stop('SIGKILL');
  await removeDirs(service.dirs);
});

/** Runs a program with a text on its standard input; resolves with its exit code. */
async function send(text: string, command: string, ...args: readonly string[]): Promise<number | null> {
  const child: ChildProcess = spawn(command, args, { stdio: ['pipe', 'ignore', 'ignore'] });
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(text);
  const [code] = await once(child, 'close');
  return typeof code === 'number' ? code : null;
}

async function expectStored(): Promise<void> {
  await eventually(async () => expect(await readNumbers(service, 'a')).toHaveLength(COUNT));
  expect(await readNumbers(service, 'a')).toEqual(numbers);
}

describe('openssl s_client', () => {
  it('sends with a certificate of its own, and is refused without one', async () => {
    const authority = certificates.authority('authority');
    const server = authority.issue('server');
    const client = authority.issue('client');
    const tls = `{cert: "${server.cert}", key: "${server.key}", clientCa: "${authority.cert}"}`;
    service = await startWithInputs([`{name: in, type: tcp, addr: "127.0.0.1:0", tls: ${tls}}`]);
    const to = [
      's_client',
      '-quiet',
      '-no_ign_eof',
      '-connect',
      await whereOf(service, 'in'),
      '-CAfile',
      authority.cert,
    ];
    await send(lineOf('refused', 1), 'openssl', ...to);
    await eventually(async () => {
      const refused = await readMetric(service, 'logforge_input_refused_total');
      expect(refused.get('{input="in",reason="tls"}')).toBe(1);
    });
    expect(await send(lines, 'openssl', ...to, '-cert', client.cert, '-key', client.key)).toBe(0);
    await expectStored();
    expect(await readNumbers(service, 'refused')).toEqual([]);
  });
});

describe.skipIf(!hasSocat)('socat', () => {
  beforeAll(() => ensurePackage('socat', () => isOnPath('socat')), INSTALL_TIMEOUT_MS);

  it('sends over TCP', async () => {
    service = await startWithInputs(['{name: in, type: tcp, addr: "127.0.0.1:0"}']);
    expect(await send(lines, 'socat', '-u', '-', `TCP:${await whereOf(service, 'in')}`)).toBe(0);
    await expectStored();
  });

  it('sends over a Unix socket', async () => {
    service = await startWithInputs(['{name: in, type: unixsock, path: ./in.sock}']);
    await whereOf(service, 'in');
    expect(await send(lines, 'socat', '-u', '-', `UNIX-CONNECT:${join(service.dirs.root, 'in.sock')}`)).toBe(0);
    await expectStored();
  });
});
