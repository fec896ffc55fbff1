import type { RangeOptions } from '../analytics/analytics.ts';
import type { Live } from '../live/live.ts';
import type { Log } from '../log.ts';
import type { Hour } from '../model/hour.ts';
import type { Channel } from '../runtime/channel.ts';
import { createRemoteDeliver, serveDeliver } from '../runtime/remote-deliver.ts';
import type { Core } from './http-worker.ts';

/** A Core whose work is done by the thread at the other end of the channel; `live` comes from createRemoteLive. */
export function createRemoteCore(parts: {
  readonly channel: Channel;
  readonly live: Live;
  readonly log: Log;
  /** Given memory of batches that comes back. */
  readonly reuse: (memory: ArrayBuffer) => void;
}): Core {
  const { channel, live, log, reuse } = parts;
  // What comes back is what serveCore gave, cloned; a Buffer arrives as a plain Uint8Array.
  return {
    deliver: createRemoteDeliver(channel, log, reuse),
    checkReadiness: () => channel.call('readiness') as ReturnType<Core['checkReadiness']>,
    metricsText: () => channel.call('metricsText') as Promise<string>,
    aggregate: () => channel.call('aggregate') as ReturnType<Core['aggregate']>,
    live,
    hourTotals: {
      totals: (from, to) => channel.call('hourTotals', { from, to }) as ReturnType<Core['hourTotals']['totals']>,
      latest: () => channel.call('latestHour') as ReturnType<Core['hourTotals']['latest']>,
    },
    analytics: {
      async hour(hour: Hour) {
        const bytes = (await channel.call('analyticsHour', hour)) as Uint8Array | undefined;
        return bytes === undefined ? undefined : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      },
      range: (from, to, options) =>
        channel.call('analyticsRange', { from, to, options }) as ReturnType<Core['analytics']['range']>,
    },
  };
}

/** The other end: answers the calls of a remote Core. */
export function serveCore(back: Omit<Core, 'live'>) {
  const { deliver, checkReadiness, metricsText, analytics, aggregate, hourTotals } = back;
  return {
    deliver: serveDeliver(deliver),
    readiness: checkReadiness,
    metricsText,
    aggregate,
    hourTotals: ({ from, to }: { from: Hour; to: Hour }) => hourTotals.totals(from, to),
    latestHour: () => hourTotals.latest(),
    analyticsHour: (hour: Hour) => analytics.hour(hour),
    analyticsRange: ({ from, to, options }: { from: Hour; to: Hour; options?: RangeOptions }) =>
      analytics.range(from, to, options),
  };
}
