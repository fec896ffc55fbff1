import { parentPort, workerData } from 'node:worker_threads';
import { EVENTS_STREAM } from '../model/stream.ts';
import { damagedRange, openHour } from '../repo/hour-file.ts';
import { createChannel } from '../runtime/channel.ts';
import { type QueryCalls, serveQueries } from './query-thread.ts';

/** The query thread, and hours at which it dies, never comes back or needs 200 ms. It counts the queries that it was told to forget. */
if (parentPort === null) throw new Error('must be started as a worker thread');
const { forgotten } = workerData as { readonly forgotten: Int32Array };
const block = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
const handlers = serveQueries({
  streams: [EVENTS_STREAM],
  rangeOf: damagedRange,
  openHour(hour) {
    if (hour.path === 'die') process.exit(1);
    if (hour.path === 'hang') block(Number.POSITIVE_INFINITY);
    if (hour.path === 'slow') block(200);
    return openHour(hour);
  },
});
createChannel<object>(parentPort).answer<QueryCalls>({
  ...handlers,
  end(id) {
    Atomics.add(forgotten, 0, 1);
    return handlers.end(id);
  },
});
