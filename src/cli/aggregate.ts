import { existsSync } from 'node:fs';
import { createAggregator } from '../analytics/aggregate.ts';
import type { AggregationRun } from '../analytics/analytics.ts';
import { createRecount } from '../analytics/recount.ts';
import { createHourSummariser } from '../analytics/summarise-hour.ts';
import type { SummariserThread } from '../analytics/summarise-thread.ts';
import { streamsOf } from '../app/streams.ts';
import type { Config } from '../config/config.ts';
import { DirectoryInUseError } from '../disk/lock.ts';
import { createLog, type Log } from '../log.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { type Hour, parseHour } from '../model/hour.ts';
import { nearest } from '../model/nearest.ts';
import type { Stream, StreamName } from '../model/stream.ts';
import { mapLimits } from '../model/summary.ts';
import { createDimensionNotes } from '../repo/dimension-notes.ts';
import { openRepo } from '../repo/file-repo.ts';
import { damagedRange, listAllHours, listHours, openHour } from '../repo/hour-file.ts';
import type { CommittedHour, Repo } from '../repo/repo.ts';
import { createSummaryFiles } from '../repo/summaries.ts';
import { type Command, EXIT, type Options, UsageError } from './command.ts';
import {
  CONFIG_ENVIRONMENT,
  CONFIG_EXIT_CODE,
  configFileOption,
  configKeyOptions,
  loadCliConfig,
} from './config-options.ts';
import { type FlagValues, parseFlags } from './parse-flags.ts';
import { print } from './print.ts';

const keyOptions = {
  'logs-dir': configKeyOptions['logs-dir'],
  'analytics-dir': configKeyOptions['analytics-dir'],
  'state-dir': configKeyOptions['state-dir'],
  'dlq-dir': configKeyOptions['dlq-dir'],
} satisfies Options;

const options = {
  ...configFileOption,
  ...keyOptions,
  from: {
    value: 'HOUR',
    help: 'Every hour from this one on, such as 2015-05-17T10 (UTC), even if its file did not grow.',
  },
  to: { value: 'HOUR', help: 'Every hour before this one.' },
  all: { help: 'Every hour that has a file.' },
  stream: { value: 'NAME', help: 'Only the hours of this stream. Default: of all streams.' },
  rebuild: { help: 'Count from the start of each file and ignore its summary. With --all, --from or --to.' },
} satisfies Options;

export const aggregate: Command = {
  name: 'aggregate',
  summary: 'bring the hourly summaries up to date while no service runs',
  help: {
    synopsis: [
      'aggregate [OPTION]...',
      'aggregate --all [--rebuild] [OPTION]...',
      'aggregate [--from HOUR] [--to HOUR] [--rebuild] [OPTION]...',
    ],
    description: [
      'Summarises what was appended since the last run, as the service does every aggregation.interval. With --all, --from or --to it checks every hour in the range, including files that were put there by hand. A summary that is damaged, or does not match its file, is counted again from the start of the file.',
      'A service that runs on the same folders owns them: then this command prints an error and changes nothing.',
    ],
    examples: [
      {
        text: 'What the service had not summarised when it stopped:',
        command: 'logforge aggregate --config /etc/logforge.yaml',
      },
      { text: 'After a restore from a backup:', command: 'logforge aggregate --all --rebuild' },
      { text: 'One stream, after its countBy changed:', command: 'logforge aggregate --all --stream events' },
      { text: 'One day:', command: 'logforge aggregate --from 2015-05-17T00 --to 2015-05-18T00 --rebuild' },
    ],
    exitCodes: {
      1: 'A service owns the folders, a folder does not exist, or an hour could not be summarised (the others are).',
      ...CONFIG_EXIT_CODE,
    },
    environment: CONFIG_ENVIRONMENT,
  },
  options,
  async run(args, io) {
    const { values } = parseFlags(args, options);
    const choice = readChoice(values);
    const { config: file, 'logs-dir': logs, 'analytics-dir': analytics, 'state-dir': state, 'dlq-dir': dlq } = values;
    const flags = { 'logs-dir': logs, 'analytics-dir': analytics, 'state-dir': state, 'dlq-dir': dlq };
    const { config } = loadCliConfig({ config: file, ...flags }, io);
    const streams = chooseStreams(config, values.stream);
    if (!existsSync(config.storage.logsDir))
      throw new Error(`cannot find the folder storage.logsDir=${config.storage.logsDir}`);
    const log = createLog({ level: config.logging.level, format: config.logging.format, stream: io.stderr });
    try {
      const run = await aggregateOffline(config, { ...choice, streams }, log);
      await print(io.stdout, describeRun(run));
      return run.failed === 0 ? EXIT.ok : EXIT.failure;
    } finally {
      log.close();
    }
  },
};

/** The hours to summarise: those that grew, or those in [from, to). */
interface Choice {
  readonly range: { readonly from: Hour; readonly to: Hour } | undefined;
  /** Every hour, so that none is left with other dimensions. */
  readonly isAll: boolean;
  readonly rebuild: boolean;
  readonly streams: ReadonlyMap<StreamName, Stream>;
}

function chooseStreams(config: Config, name: string | undefined): ReadonlyMap<StreamName, Stream> {
  const all = streamsOf(config);
  if (name === undefined) return all;
  const stream = all.get(name);
  if (stream !== undefined) return new Map([[name, stream]]);
  const meant = nearest(name, all.keys());
  const hint = meant === undefined ? `there are ${[...all.keys()].join(', ')}` : `did you mean ${meant}?`;
  throw new UsageError(`--stream: there is no stream ${JSON.stringify(name)}; ${hint}`);
}

function readChoice({ from, to, all, rebuild }: FlagValues<typeof options>): Omit<Choice, 'streams'> {
  if (all && (from !== undefined || to !== undefined)) throw new UsageError('give either --all or --from and --to');
  const isRange = all || from !== undefined || to !== undefined;
  if (rebuild && !isRange) throw new UsageError('--rebuild needs --all, --from or --to');
  const range = { from: readHour('from', from) ?? -Infinity, to: readHour('to', to) ?? Infinity };
  if (range.from >= range.to) throw new UsageError('--to must be later than --from');
  return { range: isRange ? range : undefined, isAll: all, rebuild };
}

function readHour(flag: string, text: string | undefined): Hour | undefined {
  if (text === undefined) return undefined;
  const hour = parseHour(text);
  if (hour !== undefined) return hour;
  throw new UsageError(`--${flag} must be an hour such as 2015-05-17T10, got ${JSON.stringify(text)}`);
}

async function aggregateOffline(config: Config, choice: Choice, log: Log): Promise<AggregationRun> {
  const metrics = createMetrics({ defaultMetrics: false });
  const repo = await openStorage(config, metrics, log);
  try {
    const hours = await chooseHours(repo, config.storage.logsDir, choice);
    const { analyticsDir, durability } = config.storage;
    const { maxKeys } = config.aggregation;
    const summaries = createSummaryFiles({ analyticsDir, durability, maxKeys });
    const limits = mapLimits(maxKeys);
    const { streams } = choice;
    const summarise = createHourSummariser({ openHour, damagedRange, summaries, streams: streams.values(), limits });
    const thread: SummariserThread = {
      summarise: async (committed) => summarise(committed, { rebuild: choice.rebuild }),
      stop: async () => {},
    };
    const source = {
      changedHours: () => hours,
      advanceSummaryCursor: repo.advanceSummaryCursor.bind(repo),
      committedHour: repo.committedHour.bind(repo),
      reportDamage: repo.reportDamage.bind(repo),
    };
    const { read, write } = createDimensionNotes({ analyticsDir, durable: durability === 'disk' });
    const recount = createRecount({
      streams: streams.values(),
      repo,
      thread,
      notes: { read, write: async (stream, note) => write(stream, note) },
      listHours: (stream) => listHours(config.storage.logsDir, stream),
      metrics,
      log,
    });
    const parts = { repo: source, thread, streams: streams.keys(), recount, interval: 0, metrics, log };
    const run = await createAggregator(parts).run();
    if (choice.isAll) while (await recount.step(() => false));
    return run;
  } finally {
    await repo.close();
  }
}

async function openStorage(config: Config, metrics: ReturnType<typeof createMetrics>, log: Log): Promise<Repo> {
  const { storage, ingestion, server } = config;
  const { logsDir, dlqDir, stateDir, analyticsDir, durability } = storage;
  const alsoOwn = [analyticsDir];
  const idempotency = { windowMs: ingestion.idempotencyWindow, maxKeys: ingestion.idempotencyMaxKeys };
  const maxWaitMs = server.requestTimeout;
  try {
    return await openRepo({ logsDir, dlqDir, stateDir, alsoOwn, durability, idempotency, maxWaitMs, metrics, log });
  } catch (error) {
    if (!(error instanceof DirectoryInUseError)) throw error;
    throw new Error(`${error.message}: a running service writes the summaries itself; stop it first`, { cause: error });
  }
}

async function chooseHours(repo: Repo, logsDir: string, { range, streams }: Choice): Promise<readonly CommittedHour[]> {
  const all = range === undefined ? repo.changedHours() : await listAllHours(logsDir);
  const wanted = all.filter(
    ({ stream, hour }) => range === undefined || (streams.has(stream) && hour >= range.from && hour < range.to),
  );
  const chosen: CommittedHour[] = [];
  for (const hour of wanted) {
    const committed = await repo.committedHour(hour);
    if (committed !== undefined) chosen.push(committed);
  }
  return chosen;
}

function describeRun({ written, unchanged, missing, failed, ...run }: AggregationRun): string {
  const hours = `${written} hours written, ${unchanged} unchanged, ${missing} missing, ${failed} failed`;
  return `${hours}; ${run.records} records, ${run.skippedLines} corrupt lines, ${run.bytes} bytes in ${run.seconds.toFixed(1)} s\n`;
}
