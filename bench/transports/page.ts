/** What `make bench-transports` writes into docs/transports.md: the parts between its markers. The prose around them is written by hand. */
import { whole } from '../table.ts';
import { type Cell, isDatagram, PACKED, PRODUCERS, SIZES, TRANSPORTS, type Transport } from './cells.ts';
import { renderExpectations } from './expectations.ts';
import { drawBars, drawCurves } from './plot.ts';
import {
  createFind,
  type Find,
  listFailures,
  lostShare,
  type Measurement,
  medianRun,
  percent,
  type Row,
} from './results.ts';
import type { Result } from './run.ts';

export const NAMES: Readonly<Record<Transport, string>> = {
  unixsock: 'Unix stream socket',
  tcp: 'TCP',
  tls: 'TCP with TLS',
  unixgram: 'Unix datagrams',
  udp: 'UDP',
  fifo: 'FIFO',
  http: 'HTTP',
};

/** The measured parts of the page, by the names of their markers. */
export function renderParts(measurement: Measurement): Readonly<Record<string, string>> {
  const find = createFind(measurement);
  return {
    machine: renderMachine(measurement),
    short: renderShort(measurement, find),
    throughput: [
      ...image(measurement, 'transports-throughput.svg', 'Bars: records stored a second, by transport'),
      ...SIZES.map((size) => renderSize(measurement, find, size)),
    ].join('\n\n'),
    writes: renderWrites(measurement, find),
    cost: renderCost(measurement),
    connections: renderConnections(measurement),
    os: renderOs(measurement, find),
    loss: [
      ...image(measurement, 'transports-loss.svg', 'Curve: share of records lost, by records sent a second'),
      renderLoss(measurement),
    ].join('\n\n'),
    expectations: renderExpectations(find),
  };
}

/** The page with the parts between `<!-- NAME:begin -->` and `<!-- NAME:end -->`. Throws where a marker is missing. */
export function fillPage(page: string, parts: Readonly<Record<string, string>>): string {
  return Object.entries(parts).reduce((text, [name, content]) => {
    const [begin, end] = [`<!-- ${name}:begin -->\n`, `<!-- ${name}:end -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`cannot write the page: it has no markers of ${name}`);
    return `${text.slice(0, from)}${begin}${content}\n${text.slice(to)}`;
  }, page);
}

function image(measurement: Measurement, name: string, description: string): string[] {
  return name in drawPlots(measurement) ? [`![${description}](${name})`] : [];
}

/** The plots, by file name. */
export function drawPlots({ rows }: Measurement): Readonly<Record<string, string>> {
  const of = (part: Cell['part'], size: number) => rows.filter(({ cell }) => cell.part === part && cell.size === size);
  const main = of('main', SIZES[0]);
  const groups = [...new Set(main.map(({ cell }) => cell.transport))].map((transport) => ({
    name: NAMES[transport],
    values: PRODUCERS.map((count) => {
      const row = main.find(({ cell }) => cell.transport === transport && cell.producers === count);
      return (row && medianRun(row)?.recordsPerSecond) ?? 0;
    }),
  }));
  const points = rows
    .filter(({ cell }) => cell.part === 'curve')
    .flatMap((row): [number, number][] => {
      const run = medianRun(row);
      return run === undefined ? [] : [[run.sentPerSecond, lostShare(run) * 100]];
    });
  const bars = drawBars({
    title: 'Records stored and synced, records of 100 bytes',
    unit: 'records/s',
    series: PRODUCERS.map((count) => (count === 1 ? 'one sender' : `${count} senders`)),
    groups,
  });
  const curve = drawCurves({
    title: `Loss of UDP, ${PACKED} records of 100 bytes a datagram`,
    xTitle: 'records sent a second',
    yTitle: '% lost',
    series: [{ name: 'one sender', points }],
  });
  return {
    ...(groups.length > 0 && { 'transports-throughput.svg': bars }),
    ...(points.length > 0 && { 'transports-loss.svg': curve }),
  };
}

function renderMachine(measurement: Measurement): string {
  const { date, seconds, warmUpSeconds, rows } = measurement;
  const { model, cpus, memoryGiB, kernel, node, ...disk } = measurement.machine;
  const failures = listFailures(measurement);
  const runs = Math.max(...rows.map((row) => row.runs.length));
  const hasCalls = rows.some((row) => medianRun(row)?.calls !== undefined);
  return [
    `Measured on ${date.slice(0, 10)}: ${cpus} × ${model}, ${memoryGiB} GiB, ${kernel}, Node.js ${node}; senders and receiver share these cores.`,
    `The disk does ${whole(disk.syncsPerSecond)} syncs of 4 KiB a second, and takes ${whole(disk.syncedMegabytesPerSecond)} MB/s in blocks of 1 MB, each synced.`,
    `The kernel allows receive buffers of ${disk.receiveBuffer === undefined ? 'an unknown size' : `${whole(disk.receiveBuffer / 1024)} KiB`}, and keeps ${disk.datagramQueue ?? 'an unknown number of'} Unix datagrams a socket.`,
    `Each run has new processes and an empty store, and takes ${seconds} s, the first ${warmUpSeconds} s of which are not counted. ${runs === 1 ? 'One run a row.' : `Medians of ${runs} runs.`}`,
    ...(hasCalls ? [] : ['System calls were not counted: strace is absent, or may not look into the processes.']),
    ...(failures.length === 0 ? [] : ['', 'Not measured:', '', ...failures]),
  ].join('\n');
}

function transportsOf({ rows }: Measurement): Transport[] {
  return [...new Set(rows.filter(({ cell }) => cell.part === 'main').map(({ cell }) => cell.transport))];
}

function renderShort(measurement: Measurement, find: Find): string {
  const rows = transportsOf(measurement).map((transport) => {
    const one = { transport, size: SIZES[0], producers: 1 } as const;
    const block = find({ ...one, part: 'main' });
    const single = isDatagram(transport) ? block : find({ ...one, part: 'writes' });
    const packed = transport === 'udp' ? find({ ...one, part: 'packed' }) : block;
    const buffered = transport === 'unixgram' ? '–' : rateOf(packed);
    return row([
      NAMES[transport],
      buffered,
      rateOf(single),
      latency(find({ ...one, part: 'latency' })),
      lossOf(single),
    ]);
  });
  return [
    '| | records/s, buffered | records/s, one a write | p50, p99 to the synced file | lost, one a write |',
    '|---|--:|--:|--:|--:|',
    ...rows,
  ].join('\n');
}

const SIZE_HEADER = [
  '| | senders | records/s | MB/s | CPU s/M: senders | receiver | p50, p99 | lost | out of order | twice | calls a record: sender | receiver |',
  '|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|',
];

function renderSize(measurement: Measurement, find: Find, size: number): string {
  const rows = measurement.rows.filter(({ cell }) => cell.part === 'main' && cell.size === size);
  if (rows.length === 0) return `Records of ${whole(size)} bytes: not measured.`;
  const lines = rows.map((each) => {
    const { transport, producers } = each.cell;
    const place = { transport, size, producers } as const;
    const counts = find({ ...place, part: 'latency' });
    const traced = find({ ...place, part: 'calls', recordsPerSend: each.cell.recordsPerSend });
    const run = medianRun(each);
    if (run === undefined) return row([NAMES[transport], String(producers), ...Array<string>(10).fill('–')]);
    return row([
      ...[NAMES[transport], String(producers), ...speed(run, size), latency(counts), ...fate(run)],
      ...callsOf(traced),
    ]);
  });
  return [`Records of ${whole(size)} bytes:`, '', ...SIZE_HEADER, ...lines].join('\n');
}

function renderWrites(measurement: Measurement, find: Find): string {
  const isOne = ({ part, transport, size }: Cell) =>
    part === 'writes' || (part === 'main' && isDatagram(transport) && size === SIZES[0]);
  const lines = measurement.rows
    .filter(({ cell }) => isOne(cell))
    .toSorted((a, b) => TRANSPORTS.indexOf(a.cell.transport) - TRANSPORTS.indexOf(b.cell.transport))
    .map((each) => {
      const { transport, producers, size } = each.cell;
      const run = medianRun(each);
      if (run === undefined) return row([NAMES[transport], String(producers), ...Array<string>(9).fill('–')]);
      const traced = find({ part: 'calls', transport, size, producers, recordsPerSend: 1 });
      return row([NAMES[transport], String(producers), ...speed(run, size), ...fate(run), ...callsOf(traced)]);
    });
  return [
    '| | senders | records/s | MB/s | CPU s/M: senders | receiver | lost | out of order | twice | calls a record: sender | receiver |',
    '|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|',
    ...lines,
  ].join('\n');
}

function renderConnections({ rows }: Measurement): string {
  const lines = rows
    .filter(({ cell }) => cell.part === 'connections')
    .map((each) => {
      const run = medianRun(each);
      const kind = each.cell.connection === 'each' ? 'a connection a record' : 'kept open';
      const cells = run === undefined ? Array<string>(6).fill('–') : [...speed(run, undefined), ...fate(run)];
      return row([NAMES[each.cell.transport], kind, ...cells]);
    });
  const header = '| | | records/s | CPU s/M: sender | receiver | lost | out of order | twice |';
  return [header, '|---|---|--:|--:|--:|--:|--:|--:|', ...lines].join('\n');
}

/** At COST_RATE. */
function renderCost({ rows }: Measurement): string {
  const lines = rows
    .filter(({ cell }) => cell.part === 'cost')
    .map((each) => {
      const run = medianRun(each);
      const cells = run === undefined ? Array<string>(4).fill('–') : [...speed(run, undefined), lossOf(run)];
      return row([NAMES[each.cell.transport], ...cells]);
    });
  const header = '| | records/s | CPU s/M: sender | receiver | lost |';
  return [header, '|---|--:|--:|--:|--:|', ...lines].join('\n');
}

function renderOs({ rows }: Measurement, find: Find): string {
  const lines = rows
    .filter(({ cell }) => cell.part === 'os')
    .map((each) => {
      const { transport, size, producers } = each.cell;
      const [os, disk] = [medianRun(each), find({ part: 'main', transport, size, producers })];
      const ratio = os && disk ? (os.recordsPerSecond / disk.recordsPerSecond).toFixed(2) : '–';
      const cpu = os === undefined ? '–' : os.receiverCpu.toFixed(2);
      return row([NAMES[transport], whole(size), String(producers), rateOf(disk), rateOf(os), ratio, cpu, lossOf(os)]);
    });
  return [
    '| | bytes | senders | records/s, `disk` | records/s, `os` | `os` ÷ `disk` | CPU s/M, receiver | lost |',
    '|---|--:|--:|--:|--:|--:|--:|--:|',
    ...lines,
  ].join('\n');
}

function renderLoss({ rows }: Measurement): string {
  const line = (name: string, each: Row) => {
    const run = medianRun(each);
    if (run === undefined) return row([name, ...Array<string>(7).fill('–')]);
    const cpu = [run.sendersCpu.toFixed(2), run.receiverCpu.toFixed(2)];
    const counts = [whole(run.lost), whole(run.dropped)];
    return row([name, whole(run.sentPerSecond), rateOf(run), lossOf(run), ...counts, ...cpu]);
  };
  const nameOf = ({ rate, producers }: Cell) =>
    rate === undefined ? `as fast as ${producers === 1 ? 'one sender' : `${producers} senders`} can` : whole(rate);
  return [
    '| records/s wanted | sent | stored | lost | records lost | counted by the input | CPU s/M: senders | receiver |',
    '|--:|--:|--:|--:|--:|--:|--:|--:|',
    ...rows.filter(({ cell }) => cell.part === 'curve').map((each) => line(nameOf(each.cell), each)),
    ...rows.filter(({ cell }) => cell.part === 'packed').map((each) => line(nameOf(each.cell), each)),
  ].join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function speed(run: Result, size: number | undefined): string[] {
  const megabytes = size === undefined ? [] : [((run.recordsPerSecond * size) / 1e6).toFixed(1)];
  return [whole(run.recordsPerSecond), ...megabytes, run.sendersCpu.toFixed(2), run.receiverCpu.toFixed(2)];
}

function fate(run: Result): string[] {
  return [lossOf(run), percent(run.outOfOrder / Math.max(1, run.stored)), whole(run.duplicates)];
}

function rateOf(run: Result | undefined): string {
  return run === undefined ? '–' : whole(run.recordsPerSecond);
}

function lossOf(run: Result | undefined): string {
  if (run === undefined) return '–';
  return run.broken === 0 ? percent(lostShare(run)) : `${percent(lostShare(run))}, ${whole(run.broken)} stored broken`;
}

/** At LATENCY_RATE. */
function latency(run: Result | undefined): string {
  if (run?.latencyMs === undefined) return '–';
  return `${run.latencyMs.p50.toFixed(1)}, ${run.latencyMs.p99.toFixed(1)} ms`;
}

/** A record, in the run in which they were counted. */
function callsOf(run: Result | undefined): string[] {
  if (run?.calls === undefined) return ['–', '–'];
  const { calls, sent } = run;
  const perRecord = (total: number) => (total / Math.max(1, sent)).toFixed(sent > 10 * total ? 3 : 2);
  return [perRecord(calls.senders.total), perRecord(calls.receiver.total)];
}
