import { parentPort, workerData } from 'node:worker_threads';
import type { Stream } from '../model/stream.ts';
import { type QueryCalls, serveQueries } from '../query/query-thread.ts';
import { damagedRange, openHour } from '../repo/hour-file.ts';
import { createChannel } from '../runtime/channel.ts';
import { yieldToOthers } from '../runtime/priority.ts';
import { answerSnapshots } from '../runtime/snapshot.ts';

// The thread that runs queries over records, put together. Started by runtime/thread.ts with QueryWorkerData.
export interface QueryWorkerData {
  readonly streams: readonly Stream[];
}

if (parentPort === null) throw new Error('query-worker must be started as a worker thread');
// Batches go first where all cores are busy; a query still gets a third of a core that it shares.
yieldToOthers(5);
answerSnapshots();
const { streams } = workerData as QueryWorkerData;
const channel = createChannel<object>(parentPort);
channel.answer<QueryCalls>(serveQueries({ streams, openHour, rangeOf: damagedRange }));
