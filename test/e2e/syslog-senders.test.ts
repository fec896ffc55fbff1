import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { INSTALL_TIMEOUT_MS, unpackPackage } from '../support/debian.ts';
import { makeDirs, REPOSITORY, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';
import { readMetric } from '../support/version2.ts';

/* Real senders of syslog: logger, openssl, rsyslog and syslog-ng of Debian, which are unpacked and not installed. */

const run = promisify(execFile);
const MESSAGES = 20;
const TRIPLE = /-linux-gnu/;
const mayFetch = process.env.CI !== undefined || process.getuid?.() === 0;

let service: Service;
let ca: string;
let ports: { readonly tcp: string; readonly tls: string };
const children: ChildProcess[] = [];

beforeAll(async () => {
  const dirs = await makeDirs();
  ca = join(dirs.root, 'cert.pem');
  const key = join(dirs.root, 'key.pem');
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-keyout', key, '-out', ca, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
  ]);
  const config = join(dirs.root, 'config.yaml');
  await writeFile(
    config,
    `inputs:
  - {name: plain, type: syslog, addr: "127.0.0.1:0"}
  - {name: local, type: unixgram, path: ${join(dirs.root, 'log')}, format: syslog}
  - {name: secure, type: syslog, addr: "127.0.0.1:0", tls: {cert: ${ca}, key: ${key}}}
`,
  );
  service = await startService({ dirs, args: ['--config', config], env: { LOGFORGE_AGGREGATION_ENABLED: 'false' } });
  ports = { tcp: await portOf('plain'), tls: await portOf('secure') };
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
});

afterAll(async () => {
  expect(await service.stop()).toEqual({ code: 0, signal: null });
  await removeDirs(service.dirs);
});

async function portOf(name: string): Promise<string> {
  return eventually(() => {
    const match = new RegExp(`"input":"${name}","where":"[^"]*:(\\d+)"`).exec(service.logs());
    expect(match).not.toBeNull();
    return match?.[1] ?? '';
  });
}

/** The records of a service, which are those of one test, once there are so many of them. */
async function recordsOf(name: string, count: number): Promise<Record<string, unknown>[]> {
  return eventually(async () => {
    const records = (await readRecords(service.dirs, 'events')) as unknown as Record<string, unknown>[];
    const found = records.filter((record) => record.service === name);
    expect(found).toHaveLength(count);
    return found;
  });
}

async function receivedBy(input: string): Promise<number> {
  return (await readMetric(service, 'logforge_input_records_total')).get(`{input="${input}"}`) ?? 0;
}

const overTcp = (...args: string[]) => run('logger', ['-T', '-n', '127.0.0.1', '-P', ports.tcp, ...args]);

describe('logger', () => {
  it.each([
    ['newlines', []],
    ['octet counts', ['--octet-count']],
    ['RFC 3164', ['--rfc3164']],
    ['RFC 3164 in octet counts', ['--rfc3164', '--octet-count']],
    ['a datagram', ['-d']],
    ['RFC 3164 in a datagram', ['-d', '--rfc3164']],
    ['a datagram of a Unix socket', ['-u']],
  ])('sends with %s', async (name, args) => {
    const tag = `logger-${name.replaceAll(' ', '-')}`;
    const [way] = args;
    const local = ['-u', join(service.dirs.root, 'log'), '--rfc5424'];
    const remote = ['-n', '127.0.0.1', '-P', ports.tcp, ...(way === '-d' ? [] : ['-T']), ...args];
    await run('logger', [
      ...(way === '-u' ? local : remote),
      ...['-t', tag, '-i', '-p', 'local3.err', '--', 'a "message" with \\ and Grüße'],
    ]);
    const [record] = await recordsOf(tag, 1);
    expect(record).toMatchObject({
      level: 'ERROR',
      message: 'a "message" with \\ and Grüße',
      facility: 'local3',
      host: expect.stringMatching(/./),
      pid: expect.stringMatching(/^\d+$/),
    });
    expect(Math.abs(Date.parse(String(record?.timestamp)) - Date.now())).toBeLessThan(60_000);
    expect(record?.timestampSource).toBeUndefined();
  });

  it('sends structured data, and several lines as one message', async () => {
    const data = ['--rfc5424', '--msgid', 'ID7', '--sd-id', 'a@1', '--sd-param', 'b="c"'];
    await overTcp('-t', 'logger-data', '--octet-count', ...data, '--', 'one\ntwo');
    expect(await recordsOf('logger-data', 1)).toEqual([
      expect.objectContaining({
        message: 'one\ntwo',
        messageId: 'ID7',
        structuredData: expect.objectContaining({ 'a@1': { b: 'c' } }),
      }),
    ]);
  });
});

it('openssl sends lines by TLS', async () => {
  const before = await receivedBy('secure');
  const client = start('openssl', [
    's_client',
    '-quiet',
    '-verify_return_error',
    '-CAfile',
    ca,
    '-connect',
    `localhost:${ports.tls}`,
  ]);
  client.stdin?.write('<11>Jul  2 17:00:01 host openssl-lines[1]: one\n');
  client.stdin?.write('<11>Jul  2 17:00:01 host openssl-lines[1]: two\n');
  const records = await recordsOf('openssl-lines', 2);
  expect(records.map(({ message, level }) => [message, level])).toEqual([
    ['one', 'ERROR'],
    ['two', 'ERROR'],
  ]);
  expect(await receivedBy('secure')).toBe(before + 2);
});

describe('rsyslog', () => {
  it(
    'forwards in its three templates, by TCP and TLS',
    async () => {
      if (!mayFetch) return skip('rsyslog');
      const root = await unpackPackage('rsyslog-openssl');
      const library = await folderIn(join(root, 'usr/lib'), TRIPLE);
      const folder = await configure('rsyslog.conf');
      start(
        join(root, 'usr/sbin/rsyslogd'),
        ['-n', '-f', join(folder, 'rsyslog.conf'), '-i', join(folder, 'pid'), '-M', join(library, 'rsyslog')],
        { LD_LIBRARY_PATH: library },
      );
      await forward(folder, 'by-rsyslog', 4);
    },
    INSTALL_TIMEOUT_MS,
  );
});

describe('syslog-ng', () => {
  it(
    'forwards in both forms, by TCP and TLS',
    async () => {
      if (!mayFetch) return skip('syslog-ng-core');
      const root = await unpackPackage('syslog-ng-core');
      const own = join(root, 'usr/lib/syslog-ng');
      const modules = await folderIn(own, /^\d/);
      const others = ['usr/lib', 'lib'].map((path) => folderIn(join(root, path), TRIPLE));
      const libraries = [own, ...(await Promise.all(others))];
      const folder = await configure('syslog-ng.conf');
      start(
        join(root, 'usr/sbin/syslog-ng'),
        [
          ...['-F', '--no-caps', '-f', join(folder, 'syslog-ng.conf'), '-R', join(folder, 'persist')],
          ...['-p', join(folder, 'pid'), '-c', join(folder, 'ctl'), '--module-path', modules],
        ],
        { LD_LIBRARY_PATH: libraries.join(':') },
      );
      await forward(folder, 'by-syslog-ng', 3);
    },
    INSTALL_TIMEOUT_MS,
  );
});

function skip(name: string): void {
  process.stderr.write(`${name} is not fetched without root: its test checks nothing\n`);
}

/** The first folder in `parent` whose name matches: some names have the architecture in them, or a version. */
async function folderIn(parent: string, name: RegExp): Promise<string> {
  const found = (await readdir(parent)).find((entry) => name.test(entry));
  if (found === undefined) throw new Error(`cannot find ${name} in ${parent}`);
  return join(parent, found);
}

/** A folder with a configuration whose words are replaced. */
async function configure(name: string): Promise<string> {
  const folder = await mkdtemp(join(service.dirs.root, 'sender-'));
  const text = await readFile(join(REPOSITORY, 'testdata/syslog', name), 'utf8');
  const words: Record<string, string> = { RUN: folder, CA: ca, TCP: ports.tcp, TLS: ports.tls };
  await writeFile(
    join(folder, name),
    text.replaceAll(/@(RUN|CA|TCP|TLS)@/g, (_, word: string) => words[word] ?? ''),
  );
  return folder;
}

function start(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'inherit'], env: { ...process.env, ...env } });
  children.push(child);
  return child;
}

/** Gives messages to a sender that listens on a socket in its folder, and checks that each comes `times` times, once of them by TLS. */
async function forward(folder: string, tag: string, times: number): Promise<void> {
  const before = await receivedBy('secure');
  const socket = join(folder, 'log.sock');
  await eventually(() => expect(existsSync(socket)).toBe(true));
  for (let i = 0; i < MESSAGES; i++) {
    await run('logger', [
      '-u',
      socket,
      '-t',
      tag,
      `--id=${1000 + i}`,
      '-p',
      'auth.warning',
      '--',
      `message ${i} "quoted" Grüße`,
    ]);
  }
  const records = await recordsOf(tag, MESSAGES * times);
  for (let i = 0; i < MESSAGES; i++) {
    const copies = records.filter(({ pid }) => pid === String(1000 + i));
    expect(copies).toHaveLength(times);
    for (const copy of copies) {
      expect(copy).toMatchObject({ level: 'WARN', facility: 'auth', message: `message ${i} "quoted" Grüße` });
      expect(Math.abs(Date.parse(String(copy.timestamp)) - Date.now())).toBeLessThan(60_000);
    }
  }
  expect((await receivedBy('secure')) - before).toBeGreaterThanOrEqual(MESSAGES);
}
