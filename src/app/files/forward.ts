import { createBoundary } from '../../decode/framing.ts';
import { escapeBytes } from '../../decode/text/escape-bytes.ts';
import { canonicalPath } from '../../disk/canonical-path.ts';
import { statusOf } from '../../disk/status-of.ts';
import { type Checkpoint, openCheckpoint } from '../../inputs/files/checkpoint.ts';
import type { DeliverSlice, KnownFile, Slice } from '../../inputs/files/files.ts';
import { createFollower } from '../../inputs/files/follow.ts';
import type { FollowCounts } from '../../inputs/files/follower.ts';
import type { StreamName } from '../../model/stream.ts';
import type { PostOptions } from '../../outputs/http/service-post.ts';
import { type Compression, createServiceSender } from '../../outputs/http/service-sender.ts';
import { createStoreSender } from '../../outputs/http/store-sender.ts';
import { openDeadLetterFile, openRejectsFile } from '../../outputs/line-files.ts';
import { closingOnFailure, type Opened } from '../opened.ts';
import { createLineDelivery } from './deliver-lines.ts';
import { createSliceDelivery } from './deliver-slice.ts';
import { createExclusion } from './exclusion.ts';
import { createFollowReport } from './follow-report.ts';
import { createOpenReading, openLines, type ReadAs } from './read-as.ts';
import { keyByRange } from './slice-keys.ts';
import type { DeliveryReport, PutAside, SliceOutcome } from './slice-outcome.ts';

/** `logs`: records to POST /logs. `store`: lines, as they are, to POST /store/batch. */
export const PROTOCOLS = ['logs', 'store'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export interface ForwardOptions extends Pick<PostOptions, 'url' | 'apiKey' | 'tls'> {
  readonly protocol: Protocol;
  /** Paths with `*`, `?` and a double star. */
  readonly patterns: readonly string[];
  readonly stream: StreamName;
  readonly readAs: ReadAs;
  readonly from: 'start' | 'end';
  readonly compression: Compression;
  /** Name of this host in a store of lines. */
  readonly host: string;
  /** Paths of files. */
  readonly checkpoint: string;
  readonly rejects: string;
  readonly deadLetters: string;
  readonly maxInFlightBytes: number;
  /** Where GET /metrics, /stats and /health are answered; undefined: nowhere. */
  readonly addr: string | undefined;
  readonly report: ForwardReport;
}

export interface ForwardReport {
  /** What a user should know: why something is sent again, a file that cannot be read. Often the same; the reader folds it. */
  notify(message: string): void;
}

/** Since the start. */
export interface ForwardCounts extends FollowCounts {
  /** Records that the service has stored, now or before. */
  readonly sent: number;
  readonly duplicates: number;
  /** In the file of dead letters, or at the service as dead letters. */
  readonly refused: number;
  /** In the file of rejects. */
  readonly unreadable: number;
  readonly retries: number;
}

export interface Forwarder {
  counts(): ForwardCounts;
  /** Of `store`: where the files that are followed now can be downloaded, the first MAX_DOWNLOADS of them. */
  downloads(): readonly string[];
  /** Sends what was read, and closes. False where that took longer: the next run sends the rest. */
  stop(graceMs: number): Promise<boolean>;
}

const MAX_DOWNLOADS = 20;
const SERVER_GRACE_MS = 1_000;
/** Slices of one file under way. */
const CONCURRENCY = 4;
/** Requests at once, of all files. */
const CONNECTIONS = 8;

/**
 * Follows files and sends what is appended to them, for ever: what was read is remembered when it was acknowledged, and not before. Rejects,
 * with everything closed again, where the checkpoint or one of the files beside it cannot be opened, or the address cannot be used.
 */
export function startForwarder(options: ForwardOptions): Promise<Forwarder> {
  return closingOnFailure((opened) => start(options, opened));
}

async function start(options: ForwardOptions, opened: Opened): Promise<Forwarder> {
  const { protocol, patterns, stream, readAs, from, maxInFlightBytes } = options;
  const { notify } = options.report;
  const checkpoint = await openCheckpoint(options.checkpoint, { stream: checkpointName(options), warn: notify });
  opened.onClose(() => checkpoint.close());
  const rejects = await openRejectsFile(options.rejects);
  opened.onClose(() => rejects.close());
  const deadLetters = await openDeadLetterFile(options.deadLetters);
  opened.onClose(() => deadLetters.close());
  for (const { mended } of [rejects, deadLetters]) if (mended !== undefined) notify(mended);
  const tally = { sent: 0, duplicates: 0, refused: 0, unreadable: 0, retries: 0 };
  const over = new AbortController();
  const parts = { checkpoint, aside: { rejects, deadLetters }, report: createReport(tally, notify) };
  const sender = createDelivery(options, parts, {
    connections: CONNECTIONS,
    retries: 'forever',
    notify(message) {
      tally.retries++;
      notify(message);
    },
    signal: over.signal,
  });
  opened.onClose(() => {
    over.abort(new Error('the time of the stop is over'));
    sender.close();
  });
  const follower = createFollower({
    patterns,
    checkpoint,
    open: protocol === 'store' ? openLines : createOpenReading(stream, readAs),
    createBoundary,
    deliver: sender.deliver,
    exclude: createExclusion([options.checkpoint, options.rejects, options.deadLetters]),
    from,
    maxInFlightBytes,
    concurrency: CONCURRENCY,
    report: createFollowReport(notify),
  });
  const counts = (): ForwardCounts => ({ ...follower.counts(), ...tally });
  const server = options.addr === undefined ? undefined : await createServer(options.addr, counts);
  await server?.listen();
  opened.onClose(() => server?.close({ graceMs: SERVER_GRACE_MS }));
  opened.onClose(() => follower.stop(0).catch(() => undefined));
  await follower.start();
  return {
    counts,
    downloads: () => follower.paths(MAX_DOWNLOADS).map((path) => downloadUrl(options, path, checkpoint)),
    async stop(graceMs) {
      const isDelivered = await follower.stop(graceMs).then(
        () => true,
        () => false,
      );
      await opened.close();
      return isDelivered;
    },
  };
}

/** Its modules are loaded where it is asked for: they need some 20 MB. */
async function createServer(addr: string, counts: () => ForwardCounts) {
  const { createAgentServer } = await import('../../http/agent/agent-server.ts');
  const { createAgentMetrics } = await import('../../metrics/agent-metrics.ts');
  const { metricsText } = createAgentMetrics(() => {
    const { sent, ...others } = counts();
    return { ...others, stored: sent - others.duplicates, filtered: 0 };
  });
  return createAgentServer({ addr, metricsText, stats: counts });
}

type Tally = { -readonly [Count in Exclude<keyof ForwardCounts, keyof FollowCounts>]: number };

function createReport(tally: Tally, notify: (message: string) => void): DeliveryReport {
  return {
    notify,
    delivered(slice, { stored, duplicates, refused, refusals, unreadable }: SliceOutcome) {
      tally.sent += stored + duplicates;
      tally.duplicates += duplicates;
      tally.refused += refused;
      tally.unreadable += unreadable;
      const [first] = refusals;
      if (first !== undefined) notify(`${slice.name}: line ${first.first} was refused: ${first.reason}`);
    },
  };
}

/** A file that goes to two places, or two streams of one, is read for each. */
function checkpointName({ protocol, stream }: ForwardOptions): string {
  return protocol === 'store' ? 'store' : stream;
}

type Link = Pick<PostOptions, 'connections' | 'retries' | 'notify' | 'signal'>;

interface DeliveryParts {
  readonly checkpoint: Pick<Checkpoint, 'get'>;
  readonly aside: PutAside;
  readonly report: DeliveryReport;
}

function createDelivery(
  options: ForwardOptions,
  { checkpoint, aside, report }: DeliveryParts,
  link: Link,
): { readonly deliver: DeliverSlice; close(): void } {
  const { protocol, url, apiKey, tls, stream, compression, host } = options;
  if (protocol === 'store') {
    const sender = createStoreSender({ url, apiKey, tls, escapeBytes, ...link });
    const fileOf = ({ id, name }: Slice) => nameOf(checkpoint.get(id)) ?? canonicalPath(name);
    return { deliver: createLineDelivery({ ...aside, sender, host, fileOf, report }), close: sender.close };
  }
  const sender = createServiceSender({ url, apiKey, tls, compression, ...link });
  const deliver = createSliceDelivery({ ...aside, sender, stream, keyOf: keyByRange, conflict: 'duplicate', report });
  return { deliver, close: sender.close };
}

/** Of a file in a store of lines: where it was first seen. So the lines of a rotated file stay under one name. */
function nameOf(known: KnownFile | undefined): string | undefined {
  return known?.firstPath ?? known?.path;
}

/** Where the file that stands at a path can be downloaded; by its generation where a newer one has its name. */
function downloadUrl({ url, host }: ForwardOptions, path: string, checkpoint: Pick<Checkpoint, 'all'>): string {
  const real = canonicalPath(path);
  const stats = statusOf(path);
  const known = checkpoint.all().find(({ device, inode }) => device === stats?.dev && inode === stats.ino);
  const file = nameOf(known) ?? real;
  const target = new URL(url);
  target.pathname = `${target.pathname.replace(/\/$/, '')}/store/log`;
  const generation = known !== undefined && file !== real ? { generation: known.id } : {};
  target.search = new URLSearchParams({ host, file, ...generation }).toString();
  return target.href;
}
