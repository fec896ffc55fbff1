import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { classArchiveOptions, ensureJars, makeDataFolder, messageOf, run } from './broker-cache.ts';

/**
 * A real Apache Kafka broker without a container engine. Maven fetches the jars once into a cache. One KRaft node is broker and
 * controller in one process, on loopback. It is for development and tests, not for data that matters.
 */

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 50;

export interface BrokerOptions {
  /** The folder of data, configuration, log and pid file. A stop keeps it. */
  readonly dir: string;
  readonly port: number;
  /** Further options of the Java virtual machine. */
  readonly javaOptions?: readonly string[];
  /** Where it writes an archive of its classes when SIGTERM ends it, unless there is one. See keepClassArchive. */
  readonly classArchive?: string;
  /** Further lines of server.properties, which replace the defaults. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Further listeners besides the plain one: name, security protocol, port, and the port that clients are told. */
  readonly listeners?: readonly {
    readonly name: string;
    readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';
    readonly port: number;
    readonly advertisedPort?: number;
  }[];
}

/** A free port, chosen by the operating system. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('cannot get a free port');
  return address.port;
}

const LOG4J = `Configuration:
  status: error
  Appenders:
    Console:
      name: out
      PatternLayout: { pattern: "[%d] %p %m (%c)%n" }
  Loggers:
    Root: { level: INFO, AppenderRef: { ref: out } }
`;

function serverProperties(options: BrokerOptions, controllerPort: number): string {
  const extra = options.listeners ?? [];
  const own = [{ name: 'PLAIN', protocol: 'PLAINTEXT', port: options.port, advertisedPort: options.port }, ...extra];
  const bound = own.map(({ name, port }) => `${name}://127.0.0.1:${port}`);
  const told = own.map(({ name, port, advertisedPort = port }) => `${name}://127.0.0.1:${advertisedPort}`);
  const protocols = own.map(({ name, protocol }) => `${name}:${protocol}`);
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: [...bound, `CONTROLLER://127.0.0.1:${controllerPort}`].join(','),
    'advertised.listeners': told.join(','),
    'listener.security.protocol.map': [...protocols, 'CONTROLLER:PLAINTEXT'].join(','),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAIN',
    'log.dirs': join(options.dir, 'data'),
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    'log.cleaner.dedupe.buffer.size': '4194304',
    'log.index.size.max.bytes': '1048576',
    'controlled.shutdown.enable': 'true',
    ...options.properties,
  };
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

interface Paths {
  readonly properties: string;
  readonly log4j: string;
  readonly log: string;
  readonly pid: string;
}

function pathsOf(dir: string): Paths {
  return {
    properties: join(dir, 'server.properties'),
    log4j: join(dir, 'log4j2.yaml'),
    log: join(dir, 'broker.log'),
    pid: join(dir, 'broker.pid'),
  };
}

function java(libs: string, options: BrokerOptions, mainClass: string, args: readonly string[]): string[] {
  const log4j = `-Dlog4j2.configurationFile=file:${pathsOf(options.dir).log4j}`;
  const memory = ['-Xmx512m', '-XX:+UseSerialGC', '-Djava.awt.headless=true', ...(options.javaOptions ?? [])];
  return [...memory, log4j, '-cp', join(libs, '*'), mainClass, ...args];
}

async function prepare(options: BrokerOptions, libs: string): Promise<void> {
  const paths = pathsOf(options.dir);
  await mkdir(options.dir, { recursive: true });
  await writeFile(paths.log4j, LOG4J);
  const controllerPort = (await controllerPortOf(paths.properties)) ?? (await freePort());
  await writeFile(paths.properties, serverProperties(options, controllerPort));
  const data = join(options.dir, 'data');
  if (existsSync(join(data, 'meta.properties'))) return;
  await makeDataFolder(data, async () => {
    const format = ['format', '--config', paths.properties, '--cluster-id', 'bG9nZm9yZ2UtYnJva2VyMQ'];
    await run('java', java(libs, options, 'kafka.tools.StorageTool', format)).catch((cause: unknown) => {
      throw new Error(`cannot format dir=${options.dir}: ${messageOf(cause)}`, { cause });
    });
  });
}

/** A restart keeps the controller's port, so that the voters stay the same. */
async function controllerPortOf(properties: string): Promise<number | undefined> {
  const text = await readFile(properties, 'utf8').catch(() => '');
  const match = /^controller\.quorum\.voters=1@127\.0\.0\.1:(\d+)$/m.exec(text);
  return match === null ? undefined : Number(match[1]);
}

/** Starts the broker, detached from this process, and resolves with its pid when it is ready. */
export async function startBrokerProcess(options: BrokerOptions): Promise<number> {
  const libs = await ensureJars();
  await prepare(options, libs);
  const paths = pathsOf(options.dir);
  const out = openSync(paths.log, 'w');
  const archive = await classArchiveOptions(options.classArchive);
  const args = [...archive, ...java(libs, options, 'kafka.Kafka', [paths.properties])];
  const child = spawn('java', args, { detached: true, stdio: ['ignore', out, out], cwd: dirname(paths.log) });
  closeSync(out);
  child.unref();
  const pid = await started(child, paths.log);
  await writeFile(paths.pid, `${pid}\n`);
  return pid;
}

async function started(child: ChildProcess, logFile: string): Promise<number> {
  let failed: string | undefined;
  child.once('error', (cause) => {
    failed = `cannot run java: ${cause.message}`;
  });
  child.once('exit', (code, signal) => {
    failed ??= `the broker ended with ${signal ?? code} before it was ready`;
  });
  for (const end = Date.now() + START_TIMEOUT_MS; Date.now() < end; await sleep(POLL_MS)) {
    if (failed !== undefined) throw new Error(`${failed}:\n${tail(logFile)}`);
    if (child.pid !== undefined && readFileSync(logFile, 'utf8').includes('Kafka Server started')) return child.pid;
  }
  child.kill('SIGKILL');
  throw new Error(`the broker was not ready within ${START_TIMEOUT_MS} ms:\n${tail(logFile)}`);
}

function tail(file: string): string {
  return readFileSync(file, 'utf8').split('\n').slice(-15).join('\n');
}

/** The pid of the broker that runs in `dir`, if one does. */
export async function runningBroker(dir: string): Promise<number | undefined> {
  const text = await readFile(pathsOf(dir).pid, 'utf8').catch(() => '');
  const pid = Number(text);
  return Number.isSafeInteger(pid) && pid > 0 && isBroker(pid, dir) ? pid : undefined;
}

/** Pids are reused: only a process with our configuration on its command line is our broker. */
function isBroker(pid: number, dir: string): boolean {
  try {
    if (existsSync('/proc/self/cmdline')) {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(pathsOf(dir).properties);
    }
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Stops or kills the broker and waits until its process has ended. */
export async function stopBrokerProcess(dir: string, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  const pid = await runningBroker(dir);
  if (pid === undefined) return;
  process.kill(pid, signal);
  const end = Date.now() + STOP_TIMEOUT_MS;
  while (isBroker(pid, dir)) {
    if (Date.now() > end) process.kill(pid, 'SIGKILL');
    await sleep(POLL_MS);
  }
  await rm(pathsOf(dir).pid, { force: true });
}
