import type { Log } from '../log.ts';
import type { Hour } from '../model/hour.ts';
import type { Channel } from '../runtime/channel.ts';
import { createRemoteDeliver, serveDeliver } from '../runtime/remote-deliver.ts';
import type { Live, RangeOptions } from '../service/service.ts';
import type { Back } from './http-worker.ts';

/** A Back whose work is done by the thread at the other end of the channel; `live` comes from createRemoteLive. */
export function createRemoteBack(parts: {
  readonly channel: Channel;
  readonly live: Live;
  readonly log: Log;
  /** Given memory of batches that comes back. */
  readonly reuse: (memory: ArrayBuffer) => void;
}): Back {
  const { channel, live, log, reuse } = parts;
  // What comes back is what serveBack gave, cloned; a Buffer arrives as a plain Uint8Array.
  return {
    deliver: createRemoteDeliver(channel, log, reuse),
    checkReadiness: () => channel.call('readiness') as ReturnType<Back['checkReadiness']>,
    metricsText: () => channel.call('metricsText') as Promise<string>,
    aggregate: () => channel.call('aggregate') as ReturnType<Back['aggregate']>,
    live,
    hourTotals: {
      totals: (from, to) => channel.call('hourTotals', { from, to }) as ReturnType<Back['hourTotals']['totals']>,
      latest: () => channel.call('latestHour') as ReturnType<Back['hourTotals']['latest']>,
    },
    analytics: {
      async hour(hour: Hour) {
        const bytes = (await channel.call('analyticsHour', hour)) as Uint8Array | undefined;
        return bytes === undefined ? undefined : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      },
      range: (from, to, options) =>
        channel.call('analyticsRange', { from, to, options }) as ReturnType<Back['analytics']['range']>,
    },
  };
}

/** The other end: answers the calls of a remote Back. */
export function serveBack(back: Omit<Back, 'live'>) {
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
