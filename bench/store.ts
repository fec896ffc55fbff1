import { once } from 'node:events';
import { get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { makeDirs, removeDirs, startService } from '../test/support/service.ts';
import { median } from './statistics.ts';

/*
 * Measures the line store alone, with its client on the same machine: lines a second that are synced when they are answered, in batches over
 * keep-alive connections, and lines a second of one download. Each connection is a file that grows.
 *
 *   node bench/store.ts [--batch 1000] [--connections 4] [--seconds 2] [--rounds 5] [--history LINES]
 *
 * `--history`: so many lines are stored before, and the rounds after them, beside the first ones, say what they cost.
 */
const { values } = parseArgs({
  options: {
    batch: { type: 'string', default: '1000' },
    connections: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    history: { type: 'string', default: '0' },
  },
});
const BATCH = Number(values.batch);
const CONNECTIONS = Number(values.connections);
const SECONDS = Number(values.seconds);
const ROUNDS = Number(values.rounds);
const HISTORY = Number(values.history);
/** All numbers have as many digits, so that they are written over in place. */
const FIRST_NUMBER = 1_000_000_000;
const CONTENT =
  '203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET /presentations/logstash-monitorama-2013/images/kibana-search.png HTTP/1.1" 200 203023';

const dirs = await makeDirs('logforge-bench-');
const service = await startService({ command: 'store', dirs, env: { LOGFORGE_LOGGING_LEVEL: 'info' } });
try {
  console.log(
    `${cpus()[0]?.model}, ${availableParallelism()} cores; ${CONNECTIONS} connections, ${BATCH} lines a batch`,
  );
  const senders = await Promise.all(Array.from({ length: CONNECTIONS }, (_, index) => createSender(index)));
  const total = () => senders.reduce((sum, sender) => sum + sender.sent(), 0);
  await send(senders, () => total() < 50 * BATCH);
  await measure('synced', senders, total);
  if (HISTORY > 0) {
    const started = performance.now();
    await send(senders, () => total() < HISTORY);
    console.log(`${total()} lines stored, the last ones in ${((performance.now() - started) / 1e3).toFixed(1)} s`);
    await measure('synced, with this history', senders, total);
  }
  for (const sender of senders) sender.close();
  await measureDownload();
} finally {
  await service.stop();
  await removeDirs(dirs);
}

async function measure(name: string, senders: readonly Sender[], total: () => number): Promise<void> {
  const rates: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const [linesBefore, cpuBefore, started] = [total(), await cpuSeconds(), performance.now()];
    await send(senders, () => performance.now() - started < SECONDS * 1_000);
    const lines = total() - linesBefore;
    rates.push((lines / (performance.now() - started)) * 1e3);
    cpu.push(((await cpuSeconds()) - cpuBefore) / (lines / 1e6));
  }
  row(name, rates, 'lines/s');
  row(`${name}: CPU of the service`, cpu, 's a million lines');
}

function row(name: string, rates: readonly number[], unit: string): void {
  const write = (value: number) => (value < 1_000 ? value.toFixed(2) : String(Math.round(value)));
  console.log(
    name.padEnd(48),
    `${write(median(rates))} ${unit} (${write(Math.min(...rates))} to ${write(Math.max(...rates))})`,
  );
}

interface Sender {
  sendOne(): Promise<void>;
  /** Lines that were answered. */
  sent(): number;
  close(): void;
}

async function send(senders: readonly Sender[], goesOn: () => boolean): Promise<void> {
  await Promise.all(
    senders.map(async (sender) => {
      while (goesOn()) await sender.sendOne();
    }),
  );
}

async function createSender(index: number): Promise<Sender> {
  const socket: Socket = connect({ port: service.port, host: '127.0.0.1' });
  await once(socket, 'connect');
  const file = `/var/log/nginx/access-${index}.log`;
  const batch = Array.from({ length: BATCH }, () => ({
    uuid: '7f07277c-2272-482f-a7de-9f8297608bb3',
    host: 'web1.example.org',
    file,
    'line-num': FIRST_NUMBER,
    content: CONTENT,
  }));
  const body = JSON.stringify({ batch, size: BATCH });
  const head = `POST /store/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  const bytes = Buffer.from(head + body);
  const places: number[] = [];
  for (let at = bytes.indexOf(String(FIRST_NUMBER)); at !== -1; at = bytes.indexOf(String(FIRST_NUMBER), at + 10))
    places.push(at);
  let sent = 0;
  return {
    async sendOne() {
      for (const [i, at] of places.entries()) bytes.write(String(FIRST_NUMBER + sent + i), at, 'latin1');
      socket.write(bytes);
      const [answer] = await once(socket, 'data');
      if (!String(answer).startsWith('HTTP/1.1 200')) throw new Error(`not stored: ${answer}`);
      sent += BATCH;
    },
    sent: () => sent,
    close: () => socket.destroy(),
  };
}

async function cpuSeconds(): Promise<number> {
  const text = await (await fetch(`${service.url}/metrics`)).text();
  return Number(/^process_cpu_seconds_total (\S+)/m.exec(text)?.[1]);
}

async function measureDownload(): Promise<void> {
  const rates: number[] = [];
  for (let round = 0; round < Math.min(ROUNDS, 3); round++) {
    const started = performance.now();
    const path = `/store/log?host=web1.example.org&file=/var/log/nginx/access-0.log`;
    const [response] = await once(get({ host: '127.0.0.1', port: service.port, path }), 'response');
    let bytes = 0;
    for await (const part of response) bytes += part.length;
    const lines = Number(response.trailers['x-lines']);
    if (bytes !== lines * (CONTENT.length + 1)) throw new Error(`${bytes} bytes are not ${lines} lines`);
    rates.push((lines / (performance.now() - started)) * 1e3);
  }
  row('one download', rates, 'lines/s');
}
