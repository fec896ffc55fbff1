/** A process that sends records over one transport. run.ts starts it and talks to it by Node's channel: see messages.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Transport } from './cells.ts';
import { type FromProducer, type ProducerInput, readInput, type ToProducer } from './messages.ts';
import { makeBlock, microsSince, numberRecords, timeRecords } from './records.ts';
import { headOf, openSender, type Sender } from './senders.ts';

/** Writes that may be under way at once, where the kernel takes them later. Others end before the next begins, so that none are joined. */
const SLOTS: Readonly<Partial<Record<Transport, number>>> = { udp: 64, tls: 4 };
/** A sender that keeps a rate makes up for this much, ms: its timer has a resolution of 1. */
const MAX_LATE_MS = 10;
/** Connections of a producer that waits for answers, or opens one for each record. */
const CONNECTIONS = 16;

interface Slot {
  readonly sender: Sender;
  readonly bytes: Buffer;
  pending: Promise<void> | undefined;
}

const input = readInput<ProducerInput>();
const epoch = BigInt(input.epochNs);
const headBytes = Buffer.from(headOf(input, input.size));
const slots = await openSlots(input);

process.on('disconnect', () => process.exit(1));
process.on('message', (message: ToProducer) => {
  if (message.kind === 'go') run().catch(fail);
});
tell({ kind: 'connected' });

async function openSlots({ producer, size, recordsPerSend, connection, transport, ...where }: ProducerInput) {
  const makeSlot = (sender: Sender): Slot => {
    const records = makeBlock({ producer, size, count: recordsPerSend });
    return { sender, bytes: Buffer.concat([headBytes, records]), pending: undefined };
  };
  const options = { ...where, transport, connection };
  if (transport === 'http' || connection === 'each')
    return Promise.all(Array.from({ length: CONNECTIONS }, async () => makeSlot(await openSender(options))));
  const sender = await openSender(options);
  return Array.from({ length: SLOTS[transport] ?? 1 }, () => makeSlot(sender));
}

async function run(): Promise<void> {
  const { durationMs, warmUpMs } = input;
  const start = performance.now();
  const before = process.cpuUsage();
  const schedule = input.rate === undefined ? undefined : createSchedule(input.rate);
  let warm: { sent: number; cpu: NodeJS.CpuUsage; at: number } | undefined;
  let sent = 0;
  let turn = 0;
  const limit = input.maxRecords - input.recordsPerSend;
  for (;;) {
    const now = performance.now() - start;
    if (now >= durationMs || sent > limit) break;
    if (warm === undefined && now >= warmUpMs) warm = { sent, cpu: process.cpuUsage(), at: now };
    if (schedule !== undefined && !schedule.isDue(now, sent + input.recordsPerSend)) {
      await sleep(1);
      continue;
    }
    const slot = slots[turn] as Slot;
    turn = turn + 1 === slots.length ? 0 : turn + 1;
    if (slot.pending !== undefined) await slot.pending;
    numberRecords(slot.bytes, headBytes.length, input.size, sent);
    if (input.isTimed) timeRecords(slot.bytes, headBytes.length, input.size, microsSince(epoch));
    slot.pending = slot.sender.send(slot.bytes);
    sent += input.recordsPerSend;
  }
  await Promise.all(slots.map(({ pending }) => pending));
  const from = warm ?? { sent: 0, cpu: before, at: 0 };
  const cpu = process.cpuUsage(from.cpu);
  tell({
    kind: 'sent',
    records: sent,
    measured: sent - from.sent,
    seconds: (performance.now() - start - from.at) / 1000,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
  });
  const senders = new Set(slots.map(({ sender }) => sender));
  await Promise.all(Array.from(senders, (sender) => sender.close()));
  process.disconnect?.();
}

/** Keeps a rate. What a sender that had no CPU time missed is not made up for: a burst would be another rate. */
function createSchedule(perSecond: number) {
  let startMs = 0;
  return {
    /** Whether so many records should be sent `nowMs` after the start. */
    isDue(nowMs: number, records: number): boolean {
      const lateMs = nowMs - startMs - (records * 1000) / perSecond;
      if (lateMs > MAX_LATE_MS) startMs += lateMs - MAX_LATE_MS;
      return lateMs >= 0;
    },
  };
}

function tell(message: FromProducer): void {
  process.send?.(message);
}

function fail(error: unknown): void {
  process.stderr.write(`producer ${input.producer} of ${input.transport}: ${String(error)}\n`);
  process.exit(1);
}
