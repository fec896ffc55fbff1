import { parentPort, workerData } from 'node:worker_threads';
import { type SumCalls, serveSums } from '../analytics/analytics-thread.ts';
import { cacheSums } from '../analytics/sum-cache.ts';
import { createHourSums } from '../analytics/sum-hours.ts';
import { createHourSummariser } from '../analytics/summarise-hour.ts';
import { type SummariserCalls, serveSummariser } from '../analytics/summarise-thread.ts';
import { summaryText } from '../http/api/summary-text.ts';
import type { Stream } from '../model/stream.ts';
import { mapLimits } from '../model/summary.ts';
import { createAnswerFiles } from '../repo/answer-files.ts';
import { createDimensionNotes } from '../repo/dimension-notes.ts';
import { damagedRange, openHour } from '../repo/hour-file.ts';
import { createSummaryFiles, type SummaryFilesOptions } from '../repo/summaries.ts';
import { createChannel } from '../runtime/channel.ts';
import { yieldToOthers } from '../runtime/priority.ts';
import { answerSnapshots } from '../runtime/snapshot.ts';

// A thread that works on hours and their summaries, put together. The aggregator has one and analytics has one, so that
// no question waits for a large hour. Started by runtime/thread.ts with AnalyticsWorkerData.
export interface AnalyticsWorkerData extends SummaryFilesOptions {
  readonly streams: readonly Stream[];
}

if (parentPort === null) throw new Error('analytics-worker must be started as a worker thread');
// About a tenth of a core that it shares: no batch waits for a summary (bench/summarise-p99.ts), and summaries are still written.
yieldToOthers(10);
answerSnapshots();
const options = workerData as AnalyticsWorkerData;
const { streams } = options;
const limits = mapLimits(options.maxKeys ?? Infinity);
const summaries = createSummaryFiles(options);
const { sumHours, sumSeries } = createHourSums(summaries, { streams, limits });
const notes = createDimensionNotes({ ...options, durable: options.durability !== 'os' });
const channel = createChannel<object>(parentPort);
channel.answer<SummariserCalls & SumCalls>({
  ...serveSummariser(
    createHourSummariser({ openHour, damagedRange, summaries, streams, limits }),
    summaries.sync,
    notes.write,
  ),
  ...serveSums({
    sumHours: cacheSums(sumHours, summaries.version),
    sumSeries,
    countBy: (name) => streams.find((stream) => stream.name === name)?.countBy ?? [],
    check: summaries.check,
    writeText: summaryText,
    keepText: createAnswerFiles(options),
  }),
});
