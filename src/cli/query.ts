import { existsSync } from 'node:fs';
import { committedHours } from '../app/query.ts';
import { streamsOf } from '../app/streams.ts';
import { hourToIso } from '../model/hour.ts';
import { nearest } from '../model/nearest.ts';
import {
  type DamagedPart,
  DEFAULT_LIMIT,
  QueryTextError,
  type QueryTexts,
  type RecordQuery,
  readRecordQuery,
} from '../query/query.ts';
import { createQueryRun, type QueryRun } from '../query/run-query.ts';
import { damagedRange, openHour } from '../repo/hour-file.ts';
import { openReadStore } from '../repo/read-store.ts';
import { type Command, EXIT, type Io, type Options, UsageError } from './command.ts';
import {
  CONFIG_ENVIRONMENT,
  CONFIG_EXIT_CODE,
  configFileOption,
  configKeyOptions,
  loadCliConfig,
} from './config-options.ts';
import { type FlagValues, parseFlags } from './parse-flags.ts';
import { printable } from './print.ts';
import { queryService } from './query-service.ts';
import { createRecordPrinter } from './record-printer.ts';
import { readService, SERVICE_ENVIRONMENT, serviceOptions } from './service-options.ts';

const options = {
  ...serviceOptions,
  config: { ...configFileOption.config, help: 'Read the files of this configuration, without a service.' },
  'logs-dir': { ...configKeyOptions['logs-dir'], help: 'Read the files in this folder, without a service.' },
  'state-dir': configKeyOptions['state-dir'],
  stream: { value: 'NAME', help: 'The stream. Default: access.' },
  from: {
    value: 'TIME',
    help: 'Only records of this time or later (UTC), such as 2015-05-17T10:05:03Z, 2015-05-17T10 or 2015-05-17.',
  },
  to: { value: 'TIME', help: 'Only records before this time.' },
  where: {
    value: 'CONDITION',
    short: 'w',
    help: 'FIELD=VALUE, FIELD!=VALUE, !FIELD (absent), or FIELD>=VALUE, >, <=, < with a level or a number. May be given several times; all must hold. A.B is the field A.B, or else B in the object A.',
  },
  contains: { value: 'TEXT', help: 'Only records whose stored line contains TEXT.' },
  matches: { value: 'PATTERN', help: 'Only records whose stored line matches this regular expression (RE2).' },
  fields: { value: 'NAMES', help: 'Only these fields, separated by commas.' },
  limit: { value: 'N', short: 'n', help: `Records at most, or all. Default ${DEFAULT_LIMIT}.` },
  order: { value: 'ORDER', choices: ['asc', 'desc'], help: 'asc (default): oldest hour first; desc: from the end.' },
  format: { value: 'FORMAT', choices: ['ndjson', 'csv'], help: 'ndjson (default) or csv.' },
} as const satisfies Options;

type Values = FlagValues<typeof options>;

export const query: Command = {
  name: 'query',
  summary: 'print stored records, from a running service or from its files',
  help: {
    synopsis: ['query [--url URL] [OPTION]...', 'query --config FILE [OPTION]...', 'query --logs-dir DIR [OPTION]...'],
    description: [
      'Prints records as they are stored, one JSON line each, or as a table, hour by hour. Inside an hour records come in the order in which they were stored. Without --config, --logs-dir and --state-dir it asks the service.',
      'With one of them it reads the files, and the commit journal in storage.stateDir for what is committed. It changes nothing. A service may run on the files.',
      'On a terminal, characters that it would obey or not show are written as JSON escapes.',
    ],
    examples: [
      { text: 'The newest ten:', command: 'logforge query --order desc -n 10' },
      {
        text: 'Warnings and worse of a service in one hour:',
        command:
          "logforge query --stream events --from 2015-05-17T10 --to 2015-05-17T11 -w 'level>=WARN' -w service=auth",
      },
      {
        text: 'A table of failed requests, from files:',
        command:
          "logforge query --logs-dir /backup/logs -w 'status>=500' --fields timestamp,path,status --format csv -n all",
      },
    ],
    exitCodes: {
      1: 'The service could not be reached or refused the query, a folder does not exist, or a part of an hour could not be read (the rest is printed).',
      ...CONFIG_EXIT_CODE,
    },
    environment: { ...SERVICE_ENVIRONMENT, ...CONFIG_ENVIRONMENT },
  },
  options,
  async run(args, io) {
    const { values, every } = parseFlags(args, options);
    const texts = { ...textsOf(values), where: every.where };
    const asked = readQuery(texts, values.format === 'csv' ? 'csv' : 'ndjson');
    const isOfFiles = [values.config, values['logs-dir'], values['state-dir']].some((value) => value !== undefined);
    if (!isOfFiles) {
      const damaged = await queryService({ ...readService(values, io, '/records'), texts, format: asked.format, io });
      if (damaged !== undefined) complain(io, `parts of hours could not be read: ${damaged}`);
      return damaged === undefined ? EXIT.ok : EXIT.failure;
    }
    if (values.url !== undefined) throw new UsageError('give --url, or --config, --logs-dir and --state-dir, not both');
    return (await queryFiles(asked, values, io)) ? EXIT.ok : EXIT.failure;
  },
};

function textsOf({ stream, from, to, contains, matches, fields, limit, order }: Values): QueryTexts {
  return { stream, from, to, contains, matches, fields, limit, order };
}

function readQuery(texts: QueryTexts, format: RecordQuery['format']): RecordQuery {
  return asUsage(() => readRecordQuery(texts, format));
}

/** What is wrong with a text is wrong with its flag. */
function asUsage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof QueryTextError) throw new UsageError(`--${error.parameter} ${error.message}`);
    throw error;
  }
}

/** Prints what the files hold. False where a part could not be read. */
async function queryFiles(asked: RecordQuery, values: Values, io: Io): Promise<boolean> {
  const { config: file, 'logs-dir': logs, 'state-dir': state } = values;
  const { config } = loadCliConfig({ config: file, 'logs-dir': logs, 'state-dir': state }, io);
  const { storage } = config;
  const streams = streamsOf(config);
  const stream = streams.get(asked.stream);
  if (stream === undefined) {
    const meant = nearest(asked.stream, streams.keys());
    const hint = meant === undefined ? `there are ${[...streams.keys()].join(', ')}` : `did you mean ${meant}?`;
    throw new UsageError(`--stream: there is no stream ${JSON.stringify(asked.stream)}; ${hint}`);
  }
  if (!existsSync(storage.logsDir)) throw new Error(`cannot find the folder storage.logsDir=${storage.logsDir}`);
  const run = asUsage(() => createQueryRun(asked, stream, { openHour, rangeOf: damagedRange }));
  const hours = committedHours(asked, { logsDir: storage.logsDir, repo: await openReadStore(storage) });
  let isSound = true;
  const printer = createRecordPrinter(io.stdout, asked.format);
  let more = 0;
  for await (const { bytes, damaged, moreDamaged } of steps(run, hours)) {
    await printer.print(bytes);
    for (const part of damaged) complain(io, describe(part));
    more += moreDamaged;
    isSound &&= damaged.length === 0;
  }
  if (more > 0) complain(io, `cannot read ${more} other parts of hours`);
  return isSound;
}

async function* steps(run: QueryRun, hours: ReturnType<typeof committedHours>) {
  for (;;) {
    const step = run.step();
    yield step;
    if (step.state === 'done') return;
    if (step.state !== 'hours') continue;
    const { value, done } = await hours.next();
    run.add(value === undefined ? [] : [value], done === true);
  }
}

function describe({ hour, offset, bytes, reason }: DamagedPart): string {
  const part = bytes === 0 ? '' : `${bytes} bytes at offset ${offset} of `;
  return `cannot read ${part}hour ${hourToIso(hour)}: ${reason}`;
}

function complain(io: Io, message: string): void {
  io.stderr.write(`logforge query: ${printable(message)}\n`);
}
