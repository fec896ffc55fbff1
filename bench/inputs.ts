/**
 * How many records a second an input stores, from the first byte that is sent until the last record is stored.
 *
 *     node bench/inputs.ts --transport tcp --seconds 10
 *     node bench/inputs.ts --transport tls --framing universal --format avro
 *     node bench/inputs.ts --type syslog --format syslog
 *     node bench/inputs.ts --stall 30
 *
 * The senders are a process of their own (input-sender.ts) and share the machine with the service.
 */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { makeCertificates } from '../test/support/certificates.ts';
import { makeDirs, removeDirs, type Service, startService } from '../test/support/service.ts';
import { eventually } from '../test/support/storage.ts';
import { readMetric } from '../test/support/version2.ts';
import { addressOf } from './input-address.ts';
import { SENDER_FORMATS, type SenderFormat, type SenderFraming } from './input-blocks.ts';
import type { SenderInput, SenderOutput } from './input-sender.ts';

const TRANSPORTS = ['tcp', 'unixsock', 'tls'] as const;
type Transport = (typeof TRANSPORTS)[number];

const SCHEMAS = join(import.meta.dirname, '../config/schemas/universal');
const SENDER = join(import.meta.dirname, 'input-sender.ts');
/** Clock ticks a second in /proc: USER_HZ. */
const TICKS = 100;
const STORE_TIMEOUT_MS = 60_000;
const STALL_AFTER_MS = 3_000;

const { values } = parseArgs({
  options: {
    transport: { type: 'string', default: 'tcp' },
    /** `syslog`: an input of this type, whose framing is recognised. */
    type: { type: 'string' },
    framing: { type: 'string', default: 'newline' },
    format: { type: 'string', default: 'json' },
    connections: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '10' },
    /** Seconds for which no file can grow, after STALL_AFTER_MS under full load: how much memory the service takes meanwhile. */
    stall: { type: 'string', default: '0' },
    /** Where the service writes its CPU profile. */
    profile: { type: 'string' },
    /** `disk` or `os`. */
    durability: { type: 'string', default: 'disk' },
  },
});

function oneOf<T extends string>(name: string, value: string, all: readonly T[]): T {
  const found = all.find((each) => each === value);
  if (found === undefined) throw new Error(`--${name} ${value}: expected one of ${all.join(', ')}`);
  return found;
}

interface Run {
  readonly transport: Transport;
  readonly framing: SenderFraming;
  readonly format: SenderFormat;
  readonly connections: number;
  readonly seconds: number;
}

const certificates = makeCertificates();
process.once('exit', () => certificates.remove());

/** With the schemas of LogEntry in force. */
async function start({ transport, framing, format }: Run): Promise<Service> {
  const dirs = await makeDirs('logforge-bench-inputs-');
  const isSyslog = values.type === 'syslog';
  const lines = [`name: bench`];
  if (!isSyslog)
    lines.push(`framing: ${framing}`, `format: ${format === 'raw' || format === 'syslog' ? 'auto' : 'json'}`);
  if (transport === 'unixsock') lines.push('type: unixsock', 'path: ./bench.sock');
  else lines.push(`type: ${isSyslog ? 'syslog' : 'tcp'}`, 'addr: "127.0.0.1:0"');
  if (transport === 'tls') {
    const { cert, key } = certificates.authority('bench').issue('server');
    lines.push(`tls: {cert: "${cert}", key: "${key}"}`);
  }
  const config = join(dirs.root, 'config.yaml');
  await writeFile(config, `registry: {load: "${SCHEMAS}"}\ninputs:\n  - ${lines.join('\n    ')}\n`);
  const env = {
    LOGFORGE_STORAGE_DURABILITY: values.durability,
    ...(values.profile !== undefined && { PROFILE_CAPTURE: '1', PROFILE_DIR: values.profile }),
  };
  return startService({ dirs, args: ['--config', config], env });
}

/** CPU seconds, and the most resident memory in MB, of a process so far (proc_pid_stat(5), proc_pid_status(5)). */
function readUse(pid: number): { cpuSeconds: number; peakMB: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const peakKiB = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS,
    peakMB: (Number(peakKiB) * 1024) / 1e6,
  };
}

function residentMB(pid: number): number {
  const kiB = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Math.round((Number(kiB) * 1024) / 1e6);
}

/** As a full disk: no file can grow for so long. Tells the resident memory before, each second of it, and after. */
async function stall(pid: number, seconds: number): Promise<string> {
  const limit = (bytes: string) => execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`]);
  await setTimeout(STALL_AFTER_MS);
  const before = residentMB(pid);
  limit('1');
  const during: number[] = [];
  for (let second = 0; second < seconds; second++) {
    await setTimeout(1_000);
    during.push(residentMB(pid));
  }
  limit('unlimited');
  return `resident MB before a stall of ${seconds} s ${before}, in it ${Math.min(...during)} to ${Math.max(...during)}, at its end ${during.at(-1)}`;
}

async function send(input: SenderInput): Promise<SenderOutput> {
  const child = spawn(process.execPath, [SENDER], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(input));
  return JSON.parse(await text(child.stdout)) as SenderOutput;
}

async function measure(run: Run): Promise<void> {
  const service = await start(run);
  try {
    const to = await addressOf(service, 'bench');
    const { transport, framing, format, connections, seconds } = run;
    const before = readUse(service.pid);
    const stallSeconds = Number(values.stall);
    const [sent, stalled] = await Promise.all([
      send({ to, usesTls: transport === 'tls', framing, format, connections, seconds: seconds + stallSeconds }),
      stallSeconds > 0 ? stall(service.pid, stallSeconds) : undefined,
    ]);
    const stored = async () => (await readMetric(service, 'logforge_records_total')).get('{outcome="stored"}') ?? 0;
    await eventually(async () => {
      const count = await stored();
      if (count < sent.records) throw new Error(`${count} of ${sent.records} records are stored`);
    }, STORE_TIMEOUT_MS);
    const elapsed = (Date.now() - sent.begunAt) / 1_000;
    const after = readUse(service.pid);
    const millions = sent.records / 1e6;
    const cells = [
      `${values.type ?? transport} ${framing} ${format} x${connections}`,
      `${Math.round(sent.records / elapsed / 1_000)} k records/s stored`,
      `${Math.round(sent.bytes / sent.records)} bytes a record`,
      `service ${((after.cpuSeconds - before.cpuSeconds) / millions).toFixed(2)} CPU s per million`,
      `sender ${(sent.cpuSeconds / millions).toFixed(2)}`,
      `peak RSS ${Math.round(after.peakMB)} MB`,
    ];
    if (stalled !== undefined) cells.push(stalled);
    process.stdout.write(`${cells.join(' | ')}\n`);
  } finally {
    await service.stop();
    await removeDirs(service.dirs);
  }
}

await measure({
  transport: oneOf('transport', values.transport, TRANSPORTS),
  framing: oneOf('framing', values.framing, ['newline', 'universal']),
  format: oneOf('format', values.format, SENDER_FORMATS),
  connections: Number(values.connections),
  seconds: Number(values.seconds),
});
