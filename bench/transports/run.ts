import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Dirs, makeDirs, removeDirs, serviceEnv } from '../../test/support/service.ts';
import type { Cell } from './cells.ts';
import type { FromProducer, ProducerInput } from './messages.ts';
import { createReader, type Receiver, startHttp, startReceiver } from './receivers.ts';
import { type Counts, createCounter, MAX_RECORDS } from './records.ts';
import { type Calls, startTrace } from './trace.ts';

export interface RunOptions {
  /** Where the stores of the runs lie. */
  readonly dir: string;
  readonly durationMs: number;
  /** Not measured, at the beginning of the duration. */
  readonly warmUpMs: number;
  /** Certificate and key of `tls`, and its certificate for clients. */
  readonly certificate: { readonly cert: string; readonly key: string } | undefined;
}

/** What one run gave. */
export interface Result extends Counts {
  readonly sent: number;
  readonly recordsPerSecond: number;
  readonly sentPerSecond: number;
  /** CPU seconds, user and system, of a million records: of all senders together, and of the receiver. */
  readonly sendersCpu: number;
  readonly receiverCpu: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number } | undefined;
  /** Of the receiver; undefined for HTTP. */
  readonly peakMegabytes: number | undefined;
  /** Records that the input itself counted as dropped, the kernel's included. */
  readonly dropped: number;
  /** System calls; only in runs for them. */
  readonly calls: { readonly senders: Calls; readonly receiver: Calls } | undefined;
}

type Sent = Extract<FromProducer, { kind: 'sent' }>;

const PRODUCER = join(import.meta.dirname, 'producer.ts');

/** Measures a row once, by processes of its own. Rejects when a process fails. */
export async function runCell(cell: Cell, options: RunOptions): Promise<Result> {
  const dirs = await makeDirs('logforge-transports-', options.dir);
  const children: ChildProcess[] = [];
  try {
    const epochNs = process.hrtime.bigint();
    const start = cell.transport === 'http' ? startHttp : startReceiver;
    const receiver = await start(cell, { ...options, dirs, epochNs, children });
    const inputs = inputsOf(cell, { ...options, where: receiver.where, epochNs });
    const producers = await Promise.all(inputs.map((input) => startProducer(input, dirs, children)));
    const traces = cell.part === 'calls' ? await startTraces(receiver.pid, producers) : undefined;
    receiver.begin();
    const sent = await Promise.all(producers.map(({ send }) => send()));
    const received = await receiver.finish(sent.reduce((sum, { records }) => sum + records, 0));
    const calls = traces && { senders: await traces.senders(), receiver: await traces.receiver() };
    const { datagrams, frames } = await receiver.closed();
    const counts = await countStored(
      dirs,
      cell.size,
      sent.map(({ records }) => records),
    );
    return { ...summarise(sent, received), ...counts, dropped: datagrams * cell.recordsPerSend + frames, calls };
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await removeDirs(dirs);
  }
}

function inputsOf(
  cell: Cell,
  { where, epochNs, durationMs, warmUpMs, certificate }: RunOptions & { where: string; epochNs: bigint },
): ProducerInput[] {
  const { transport, size, recordsPerSend, connection, producers, rate, part } = cell;
  return Array.from({ length: producers }, (_, producer) => ({
    ...{ transport, size, recordsPerSend, connection, producer, where, durationMs, warmUpMs },
    ca: certificate?.cert,
    rate: rate === undefined ? undefined : rate / producers,
    isTimed: part === 'latency',
    maxRecords: MAX_RECORDS,
    epochNs: String(epochNs),
  }));
}

interface Producer {
  readonly pid: number;
  /** Lets it send for its time. */
  send(): Promise<Sent>;
}

async function startProducer(input: ProducerInput, dirs: Dirs, children: ChildProcess[]): Promise<Producer> {
  const child = fork(PRODUCER, [JSON.stringify(input)], { env: serviceEnv(dirs), stdio: 'inherit' });
  children.push(child);
  const read = createReader<FromProducer>(child, `producer ${input.producer}`);
  await read('connected');
  return {
    pid: child.pid ?? 0,
    async send() {
      child.send({ kind: 'go' });
      const sent = await read('sent');
      if (child.exitCode === null) await once(child, 'exit');
      return sent;
    },
  };
}

async function startTraces(receiver: number, producers: readonly Producer[]) {
  const [ofReceiver, ...ofSenders] = await Promise.all(
    [receiver, ...producers.map(({ pid }) => pid)].map((pid) => startTrace(pid)),
  );
  if (ofReceiver === undefined || ofSenders.includes(undefined)) return undefined;
  return {
    receiver: ofReceiver.stop,
    senders: async () => {
      const all = await Promise.all(ofSenders.map((trace) => trace?.stop()));
      return { total: all.reduce((sum, calls) => sum + (calls?.total ?? 0), 0), most: all[0]?.most ?? [] };
    },
  };
}

function summarise(sent: readonly Sent[], received: Awaited<ReturnType<Receiver['finish']>>) {
  const sum = (pick: (one: Sent) => number) => sent.reduce((total, one) => total + pick(one), 0);
  const measured = sum((one) => one.measured);
  // What answers each record, as HTTP, has stored what it has sent.
  const {
    measured: stored,
    seconds,
    cpuSeconds,
  } = received.stored ?? {
    measured,
    seconds: Math.max(...sent.map((one) => one.seconds)),
    cpuSeconds: received.cpuSeconds,
  };
  return {
    sent: sum((one) => one.records),
    recordsPerSecond: per(stored, seconds),
    sentPerSecond: sum((one) => per(one.measured, one.seconds)),
    sendersCpu:
      per(
        sum((one) => one.cpuSeconds),
        measured,
      ) * 1e6,
    receiverCpu: per(cpuSeconds, received.stored === undefined ? sum((one) => one.records) : stored) * 1e6,
    latencyMs: received.stored?.latencyMs,
    peakMegabytes: received.stored?.peakMegabytes,
  };
}

/** 0 where nothing was counted. */
function per(value: number, of: number): number {
  return of > 0 ? value / of : 0;
}

/** The truth is in the files. */
async function countStored({ logs }: Dirs, size: number, sent: readonly number[]): Promise<Counts> {
  const counter = createCounter(size, sent);
  const entries = await readdir(logs, { recursive: true, withFileTypes: true });
  for (const entry of entries)
    if (entry.name.endsWith('.log.json')) await counter.addFile(join(entry.parentPath, entry.name));
  return counter.counts();
}
