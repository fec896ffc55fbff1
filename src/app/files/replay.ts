import { setTimeout as sleep } from 'node:timers/promises';
import { createBoundary } from '../../decode/framing.ts';
import { noCheckpoint, openCheckpoint } from '../../inputs/files/checkpoint.ts';
import type { DeliverSlice, Slice } from '../../inputs/files/files.ts';
import { type FileResult, type ReadReport, readFiles } from '../../inputs/files/read-files.ts';
import type { StreamName } from '../../model/stream.ts';
import { createServiceSender, type ServiceSenderOptions } from '../../outputs/http/service-sender.ts';
import { openRejectsFile } from '../../outputs/line-files.ts';
import { closingOnFailure, type Opened } from '../opened.ts';
import { createSliceDelivery } from './deliver-slice.ts';
import { createArrivalOfFiles, createOpenReading, type ReadAs } from './read-as.ts';
import { keyByContent, keyByRange } from './slice-keys.ts';
import type { DeliveryReport } from './slice-outcome.ts';

export interface ReplayOptions extends Omit<ServiceSenderOptions, 'notify' | 'connections'> {
  readonly stream: StreamName;
  readonly readAs: ReadAs;
  /** Records in a request, at most. */
  readonly batch: number | undefined;
  /** Records a second, at most. */
  readonly rate: number;
  readonly concurrency: number;
  /** Path of the checkpoint file. Absent: nothing is remembered. */
  readonly checkpoint: string | undefined;
  /** Sets equal files of several hosts apart. */
  readonly source: string;
  /** Path of the file for unreadable lines. */
  readonly rejects: string | undefined;
  readonly stdin: AsyncIterable<Buffer>;
  readonly report: ReadReport & DeliveryReport;
}

/** After the signal requests have so long for their answers: the summary counts what is stored. */
const STOP_GRACE_MS = 1_000;

/**
 * Sends files, `-` for standard input, to a service, each to its end. Resolves with what became of each; rejects where the checkpoint or the
 * file of rejects cannot be opened, and then nothing is sent.
 */
export function replayFiles(names: readonly string[], options: ReplayOptions): Promise<readonly FileResult[]> {
  return closingOnFailure((opened) => replay(names, options, opened));
}

async function replay(
  names: readonly string[],
  options: ReplayOptions,
  opened: Opened,
): Promise<readonly FileResult[]> {
  const { stream, readAs, concurrency, source, report, signal } = options;
  const anonymous = noCheckpoint({ stream, source });
  const isKept = options.checkpoint !== undefined;
  const checkpoint = isKept ? await openCheckpoint(options.checkpoint, { stream, warn: report.notify }) : anonymous;
  opened.onClose(() => checkpoint.close());
  const rejects = options.rejects === undefined ? undefined : await openRejectsFile(options.rejects);
  opened.onClose(() => rejects?.close());
  if (rejects?.mended !== undefined) report.notify(rejects.mended);
  const over = abortAfter(signal, STOP_GRACE_MS);
  opened.onClose(() => over.close());
  const sender = createServiceSender({
    ...options,
    connections: concurrency,
    notify: report.notify,
    signal: over.signal,
  });
  opened.onClose(() => sender.close());
  const common = { sender, stream, rejects, report };
  const byRange = createSliceDelivery({ ...common, keyOf: keyByRange, conflict: 'duplicate' });
  const byContent = createSliceDelivery({ ...common, keyOf: keyByContent, conflict: 'refuse' });
  // An id of a checkpoint stands for one file for ever; any other, as of a pipe, is made of a path and a head, which may come again.
  const hasLastingId = ({ id }: Slice) => isKept && checkpoint.get(id) !== undefined;
  const deliver: DeliverSlice = (slice) => (hasLastingId(slice) ? byRange(slice) : byContent(slice));
  const results = await readFiles(names, {
    stdin: options.stdin,
    checkpoint,
    isKept,
    anonymous,
    open: createOpenReading(stream, { ...readAs, arrival: createArrivalOfFiles() }),
    createBoundary,
    deliver: atRate(deliver, options.rate, signal),
    concurrency,
    batch: options.batch,
    report,
    ...(signal !== undefined && { signal }),
  });
  await opened.close();
  return results;
}

/** A signal that follows another after a pause, with its reason. */
function abortAfter(signal: AbortSignal | undefined, ms: number) {
  const later = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const begin = () => {
    timer = setTimeout(() => later.abort(signal?.reason), ms);
  };
  if (signal?.aborted) begin();
  else signal?.addEventListener('abort', begin, { once: true });
  return {
    signal: later.signal,
    close() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', begin);
    },
  };
}

/** Delays slices so that at most `rate` records a second are sent, counted from the first. */
function atRate(deliver: DeliverSlice, rate: number, signal?: AbortSignal): DeliverSlice {
  if (rate === Number.POSITIVE_INFINITY) return deliver;
  let due: number | undefined;
  return async (slice) => {
    const now = performance.now();
    const at = Math.max(due ?? now, now);
    due = (due ?? now) + (slice.converted.records / rate) * 1_000;
    if (at > now) await sleep(at - now, undefined, signal === undefined ? {} : { signal });
    await deliver(slice);
  };
}
