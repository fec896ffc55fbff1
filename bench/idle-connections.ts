/**
 * How much memory the connections of an input take that send nothing.
 *
 *     node bench/idle-connections.ts --transport tcp --connections 10000
 *     node bench/idle-connections.ts --transport tls
 *
 * The clients are in this process, which needs as many file descriptors as the service (`ulimit -n`).
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { parseArgs } from 'node:util';
import { makeCertificates } from '../test/support/certificates.ts';
import { makeDirs, removeDirs, type Service, startService } from '../test/support/service.ts';
import { eventually } from '../test/support/storage.ts';
import { readMetric } from '../test/support/version2.ts';
import { addressOf } from './input-address.ts';

/** Connections that are opened at the same time. */
const AT_ONCE = 50;
/** After which what was needed only to open them is free. */
const SETTLE_MS = 5_000;
const OPEN_TIMEOUT_MS = 30_000;

const { values } = parseArgs({
  options: {
    transport: { type: 'string', default: 'tcp' },
    connections: { type: 'string', default: '10000' },
  },
});
const { transport } = values;
if (transport !== 'tcp' && transport !== 'tls') throw new Error(`--transport ${transport}: expected tcp or tls`);
const count = Number(values.connections);

const certificates = makeCertificates();
process.once('exit', () => certificates.remove());

async function start(): Promise<Service> {
  const dirs = await makeDirs('logforge-bench-idle-');
  const { cert, key } = certificates.authority('bench').issue('server');
  const tls = transport === 'tls' ? [`tls: {cert: "${cert}", key: "${key}"}`] : [];
  const lines = ['name: idle', 'type: tcp', 'addr: "127.0.0.1:0"', `maxConnections: ${count}`, ...tls];
  const config = join(dirs.root, 'inputs.yaml');
  // HTTP and inputs share the file descriptors.
  await writeFile(config, `server: {maxConnections: 100}\ninputs:\n  - ${lines.join('\n    ')}\n`);
  return startService({ dirs, args: ['--config', config] });
}

async function open(port: number): Promise<Socket> {
  const to = { host: '127.0.0.1', port };
  const socket = transport === 'tls' ? connectTls({ ...to, rejectUnauthorized: false }) : connect(to);
  await once(socket, transport === 'tls' ? 'secureConnect' : 'connect');
  return socket;
}

function residentKB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1.024;
}

const service = await start();
const sockets: Socket[] = [];
try {
  const { port } = await addressOf(service, 'idle');
  if (port === undefined) throw new Error('the input has no port');
  // The first one, so that what all share is there.
  sockets.push(await open(port));
  await setTimeout(SETTLE_MS);
  const before = residentKB(service.pid);
  let begun = sockets.length;
  const openSome = async () => {
    while (begun++ < count) sockets.push(await open(port));
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, openSome));
  const seconds = (performance.now() - began) / 1_000;
  const connected = async () => (await readMetric(service, 'logforge_input_connections')).get('{input="idle"}') ?? 0;
  await eventually(async () => {
    if ((await connected()) < count) throw new Error(`${await connected()} of ${count} connections are open`);
  }, OPEN_TIMEOUT_MS);
  await setTimeout(SETTLE_MS);
  const more = residentKB(service.pid) - before;
  process.stdout.write(
    `${sockets.length} idle ${transport} connections, opened in ${seconds.toFixed(1)} s: ${(more / 1_000).toFixed(0)} MB more, ${(more / sockets.length).toFixed(1)} kB each\n`,
  );
} finally {
  for (const socket of sockets) socket.destroy();
  await service.stop();
  await removeDirs(service.dirs);
}
