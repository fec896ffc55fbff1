import { whole } from '../table.ts';
import { COST_RATE, MIXED, SIZES } from './cells.ts';
import { bothEnds, type Find, lostShare, percent } from './results.ts';
import type { Result } from './run.ts';

/** A statement, and what the figures say to it. */
interface Claim {
  readonly says: string;
  /** Undefined: a figure is missing. */
  readonly holds: boolean | undefined;
  readonly figures: string;
}

interface Expectation {
  readonly of: string;
  readonly claims: readonly Claim[];
}

/** Less than this is noise: two figures are then as good as the same. */
const NOISE = 0.1;
/** What one producer of the project that stated the expectations sends: ten records a second for 5 s, over one connection. */
const ITS_RECORDS = 50;
/** Sizes that its statements are held against. */
const [SMALL] = SIZES;
const one = { size: SMALL, producers: 1 } as const;

/** The five expectations with which the comparison began, each judged by figures of this measurement. */
export function renderExpectations(find: Find): string {
  const all: readonly Expectation[] = [
    { of: 'Unix stream sockets', claims: [unixIsFast(find), connectionsAreCheap(find)] },
    { of: 'TCP', claims: [tcpCostsMore(find)] },
    { of: 'Unix datagrams', claims: [unixgramLoses(find), unixgramIsFaster(find)] },
    { of: 'UDP', claims: [udpCostsMore(find), udpIsFaster(find), udpLoses(find)] },
    { of: 'FIFO', claims: [fifoIsABadFit(find), fifoIsFast(find)] },
  ];
  return all
    .map(({ of, claims }, i) => {
      const lines = claims.map(({ says, holds, figures }) => `   - "${says}": **${wordOf(holds)}.** ${figures}`);
      return [`${i + 1}. ${of}: **${judge(claims)}.**`, ...lines].join('\n');
    })
    .join('\n');
}

function judge(claims: readonly Claim[]): string {
  if (claims.some(({ holds }) => holds === undefined)) return 'not measured in full';
  if (claims.every(({ holds }) => holds)) return 'right';
  return claims.some(({ holds }) => holds) ? 'partly right' : 'wrong';
}

function wordOf(holds: boolean | undefined): string {
  if (holds === undefined) return 'not measured';
  return holds ? 'right' : 'wrong';
}

/** A claim that needs some runs. */
function claim<const T extends readonly (Result | undefined)[]>(
  says: string,
  runs: T,
  check: (...runs: { [K in keyof T]: Result }) => readonly [holds: boolean, figures: string],
): Claim {
  if (runs.includes(undefined)) return { says, holds: undefined, figures: '' };
  const [holds, figures] = check(...(runs as { [K in keyof T]: Result }));
  return { says, holds, figures };
}

function unixIsFast(find: Find): Claim {
  const others = (['tcp', 'fifo'] as const).map((transport) => find({ ...one, part: 'main', transport }));
  const runs = [find({ ...one, part: 'main', transport: 'unixsock' }), others[0], others[1]] as const;
  return claim('We expect this to be quite performant', runs, (unix, tcp, fifo) => {
    const best = Math.max(tcp.recordsPerSecond, fifo.recordsPerSecond);
    const figures = `${rate(unix)} over it, ${rate(tcp)} over TCP, ${rate(fifo)} through a FIFO, buffered.`;
    return [unix.recordsPerSecond >= best * (1 - NOISE), figures];
  });
}

function connectionsAreCheap(find: Find): Claim {
  const of = (connection: 'kept' | 'each') => find({ part: 'connections', transport: 'unixsock', connection });
  const slow = find({ ...one, part: 'latency', transport: 'unixsock' });
  const says = 'set up and teardown connections […] is not a significant factor for our use case';
  return claim(says, [of('kept'), of('each'), slow], (kept, each, atRest) => {
    const micros = bothEnds(each) - bothEnds(kept);
    const share = micros / (micros + ITS_RECORDS * bothEnds(atRest));
    const figures = `A connection costs ${micros.toFixed(0)} µs of CPU time at both ends together. For a producer that keeps it for ${ITS_RECORDS} records that is ${percent(share)} of its cost. A connection for each record is another matter: ${rate(each)} in place of ${rate(kept)}.`;
    return [share < NOISE, figures];
  });
}

function tcpCostsMore(find: Find): Claim {
  const of = (part: 'main' | 'cost', transport: 'tcp' | 'unixsock') => find({ ...one, part, transport });
  const runs = [of('cost', 'tcp'), of('cost', 'unixsock'), of('main', 'tcp'), of('main', 'unixsock')] as const;
  return claim(
    'it should still have some overhead compared to Unix sockets',
    runs,
    (tcp, unix, tcpBlock, unixBlock) => {
      const ratio = bothEnds(tcp) / bothEnds(unix);
      const buffered = bothEnds(tcpBlock) / bothEnds(unixBlock);
      const figures = `At ${COST}, each with a write of its own, TCP takes ${cpu(tcp)} at both ends, the Unix socket ${cpu(unix)}. With buffered writes, as fast as it goes, TCP takes ${buffered.toFixed(2)} times what the Unix socket takes.`;
      return [ratio > 1 + NOISE, figures];
    },
  );
}

function unixgramLoses(find: Find): Claim {
  const says = 'Duplication, loss and reordering are possible';
  const runs = [1, 5].map((producers) => find({ part: 'main', transport: 'unixgram', size: SMALL, producers }));
  return claim(says, [runs[0], runs[1]] as const, (single, five) => {
    const figures = `${fate([single, five])}. On Linux a Unix datagram socket keeps the order, and its sender waits while the receiver's queue is full.`;
    return [hasTrouble([single, five]), figures];
  });
}

function unixgramIsFaster(find: Find): Claim {
  const gram = find({ ...one, part: 'main', transport: 'unixgram' });
  const writes = find({ ...one, part: 'writes', transport: 'unixsock' });
  const blocks = find({ ...one, part: 'main', transport: 'unixsock' });
  return claim('they might be more performant than Unix Domain Sockets', [gram, writes, blocks], (a, b, c) => [
    a.recordsPerSecond > b.recordsPerSecond * (1 + NOISE),
    `${rate(a)}, beside ${rate(b)} over the stream socket with a write for each record, and ${rate(c)} buffered.`,
  ]);
}

function udpCostsMore(find: Find): Claim {
  const of = (transport: 'udp' | 'unixgram') => find({ ...one, part: 'cost', transport });
  return claim("we'll have some overhead from that again", [of('udp'), of('unixgram')], (udp, gram) => [
    bothEnds(udp) > bothEnds(gram) * (1 + NOISE),
    `At ${COST}, UDP takes ${cpu(udp)} at both ends, Unix datagrams ${cpu(gram)}.`,
  ]);
}

function udpIsFaster(find: Find): Claim {
  const runs = [
    find({ ...one, part: 'main', transport: 'udp' }),
    find({ ...one, part: 'writes', transport: 'tcp' }),
  ] as const;
  return claim('should be faster than TCP on loopback', runs, (udp, tcp) => [
    udp.recordsPerSecond > tcp.recordsPerSecond * (1 + NOISE),
    `With a datagram for each record, ${rate(udp)} are stored; over TCP with a write for each, ${rate(tcp)}.`,
  ]);
}

function udpLoses(find: Find): Claim {
  const of = (producers: number) => find({ part: 'main', transport: 'udp', size: SMALL, producers });
  return claim('some of the same downsides', [of(1), of(5)], (single, five) => [
    hasTrouble([single, five]),
    `${fate([single, five])}, as fast as it goes.`,
  ]);
}

function fifoIsABadFit(find: Find): Claim {
  const short = find({ part: 'main', transport: 'fifo', size: SMALL, producers: 5 });
  const says = 'a bad fit for our application (without some special handling at least)';
  return claim(says, [short, find({ part: 'mixed', transport: 'fifo' })], (unmixed, mixed) => [
    lostShare(mixed) > 0,
    `Five writers lose ${percent(lostShare(unmixed))} of their records when no write is longer than 4,096 bytes, and ${percent(lostShare(mixed))} with writes of ${whole(MIXED * SMALL)} bytes, whose pieces the kernel mixes. The end of all writers, at which a plain reader ends, does not end our input.`,
  ]);
}

function fifoIsFast(find: Find): Claim {
  const of = (transport: 'fifo' | 'unixsock') => find({ ...one, part: 'main', transport });
  return claim('it should be very performant', [of('fifo'), of('unixsock')], (fifo, unix) => [
    fifo.recordsPerSecond >= unix.recordsPerSecond * (1 - NOISE),
    `${rate(fifo)} buffered, ${rate(unix)} over a Unix stream socket.`,
  ]);
}

function hasTrouble(runs: readonly Result[]): boolean {
  return runs.some(({ lost, duplicates, outOfOrder }) => lost + duplicates + outOfOrder > 0);
}

/** Of one sender and of five. */
function fate(runs: readonly Result[]): string {
  const parts = runs.map(
    (run) =>
      `${percent(lostShare(run))} lost, ${whole(run.duplicates)} stored twice, ${whole(run.outOfOrder)} out of order`,
  );
  return `One sender: ${parts[0]}; five: ${parts[1]}`;
}

const COST = `${whole(COST_RATE)} records a second`;
const rate = (run: Result): string => `${whole(run.recordsPerSecond)} records/s`;
const cpu = (run: Result): string => `${bothEnds(run).toFixed(2)} s a million`;
