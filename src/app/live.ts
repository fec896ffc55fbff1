import type { Config } from '../config/config.ts';
import { createLive, type LiveSample, type LiveWatch } from '../live/live-sampler.ts';
import type { Tails } from '../live/tail.ts';
import type { Log } from '../log.ts';
import { systemClock } from '../model/clock.ts';
import { mergeSamples } from '../model/record-kinds.ts';
import type { Lifecycle } from '../runtime/lifecycle.ts';
import type { HttpReaders } from './http-readers.ts';
import type { Inputs } from './inputs.ts';
import { startStatsLog } from './stats-log.ts';

/** Starts the live figures of all threads, and their line in the log where it is wanted. */
export function startLive(parts: {
  readonly config: Pick<Config, 'pipeline' | 'logging' | 'server'>;
  readonly http: Pick<HttpReaders, 'samples'>;
  readonly inputs: Pick<Inputs, 'accountings' | 'lines' | 'refresh'>;
  readonly tails: Tails;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
}): LiveWatch {
  const { config, http, inputs, tails, log, lifecycle } = parts;
  const live = createLive({
    sample: async () => {
      await inputs.refresh();
      const [main, ...others] = await http.samples();
      return [addInputs(main, inputs), ...others];
    },
    pipeline: config.pipeline,
    hasSources: config.logging.sources,
    clock: systemClock,
    now: () => performance.now(),
  });
  live.start();
  const { stats } = config.logging;
  if (stats !== 'off') startStatsLog({ live, intervalMs: stats, threads: config.server.threads, log });
  lifecycle.started('live', async () => {
    live.stop();
    tails.stop();
  });
  return live;
}

/** The main thread's sample has what inputs count in metrics, and nothing else of them. */
function addInputs(
  { counts, lines, ...others }: LiveSample,
  inputs: Pick<Inputs, 'accountings' | 'lines'>,
): LiveSample {
  const inFlight = inputs.accountings.reduce((sum, accounting) => sum + accounting.inFlightRecords(), 0);
  const { values } = counts;
  return {
    ...others,
    counts: { ...counts, values: { ...values, inFlightRecords: values.inFlightRecords + inFlight } },
    lines: mergeSamples([lines, inputs.lines()]),
  };
}
