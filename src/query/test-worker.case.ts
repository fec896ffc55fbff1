import { parentPort } from 'node:worker_threads';
import { EVENTS_STREAM } from '../model/stream.ts';
import { damagedRange, openHour } from '../repo/hour-file.ts';
import { createChannel } from '../runtime/channel.ts';
import { type QueryCalls, serveQueries } from './query-thread.ts';

/** The query thread, and hours at which it dies or never comes back. */
if (parentPort === null) throw new Error('must be started as a worker thread');
createChannel<object>(parentPort).answer<QueryCalls>(
  serveQueries({
    streams: [EVENTS_STREAM],
    rangeOf: damagedRange,
    openHour(hour) {
      if (hour.path === 'die') process.exit(1);
      if (hour.path === 'hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      return openHour(hour);
    },
  }),
);
