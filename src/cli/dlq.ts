import { isDefaultStream, type StreamName } from '../model/stream.ts';
import { type Command, EXIT, type Options, UsageError } from './command.ts';
import { CONFIG_ENVIRONMENT } from './config-options.ts';
import { type DeadLetterFilter, type DeadLetterLine, type LetterFile, readLetters } from './dlq-files.ts';
import { dlqExitCodes as exitCodes, findLetterFiles, letterOptions, warnOfUnreadable } from './dlq-options.ts';
import { dlqReplay } from './dlq-replay.ts';
import { parseFlags, toCount } from './parse-flags.ts';
import { print, printable, printableJson, table } from './print.ts';

/** Different reasons that are counted apart. Further ones are counted together. */
const MAX_REASONS = 1_000;

const listOptions = { ...letterOptions, json: { help: 'Print one JSON object a line.' } } satisfies Options;

const list: Command = {
  name: 'list',
  summary: 'count the dead letters by day, stage, stream and reason',
  help: {
    synopsis: ['dlq list [OPTION]...'],
    description: [
      'Counts the dead letters by day, stage, stream and reason. The record number and quoted values are left out of a reason, so that equal reasons are counted together.',
    ],
    examples: [
      { text: 'All days:', command: 'logforge dlq list' },
      {
        text: 'The records of one day that requests brought:',
        command: 'logforge dlq list --day 2025-11-22 --stage ingest',
      },
    ],
    exitCodes,
    environment: CONFIG_ENVIRONMENT,
  },
  options: listOptions,
  async run(args, io) {
    const { values } = parseFlags(args, listOptions);
    const { rows, unreadable } = await countLetters(await findLetterFiles(values, io), values);
    if (values.json) {
      for (const row of rows) await print(io.stdout, `${printableJson(JSON.stringify(row))}\n`);
    } else if (rows.length === 0) {
      await print(io.stdout, 'no dead letters\n');
    } else {
      const cells = rows.map(({ day, stage, stream, reason, count }) => {
        return [day, printable(stage), stream, count, printable(reason)];
      });
      await print(io.stdout, table([['DAY', 'STAGE', 'STREAM', 'COUNT', 'REASON'], ...cells]));
    }
    await warnOfUnreadable(unreadable, io);
    return EXIT.ok;
  },
};

interface Row {
  readonly day: string;
  readonly stage: string;
  readonly stream: StreamName;
  readonly reason: string;
  readonly count: number;
}

async function countLetters(files: readonly LetterFile[], filter: DeadLetterFilter) {
  const rows: Row[] = [];
  let unreadable = 0;
  for (const file of files) {
    const counts = new Map<string, number>();
    for await (const letter of readLetters(file, filter)) {
      if (letter === undefined) {
        unreadable++;
        continue;
      }
      const where = `${letter.day}\n${letter.stage}\n${letter.stream}`;
      const kind = `${where}\n${generalise(letter.reason)}`;
      const key = counts.has(kind) || counts.size < MAX_REASONS ? kind : `${where}\n(other reasons)`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const ofFile = [...counts].map(([key, count]): Row => {
      const [day = '', stage = '', stream = '', reason = ''] = key.split('\n');
      return { day, stage, stream, reason, count };
    });
    rows.push(
      ...ofFile.sort(
        (a, b) =>
          a.day.localeCompare(b.day) ||
          a.stage.localeCompare(b.stage) ||
          a.stream.localeCompare(b.stream) ||
          b.count - a.count,
      ),
    );
  }
  return { rows, unreadable };
}

/** `record 3 invalid timestamp "yesterday"` → `invalid timestamp "…"` */
function generalise(reason: string): string {
  return reason
    .replace(/\s+/g, ' ')
    .replace(/^(?:record|row|line) \d+ /, '')
    .replace(/"(?:[^"\\]|\\.)*"/g, '"…"');
}

const showOptions = {
  ...letterOptions,
  limit: { value: 'N', help: 'Print the newest N (20); 0 prints all.' },
  json: { help: 'Print the stored lines.' },
} satisfies Options;

const show: Command = {
  name: 'show',
  summary: 'print dead letters, the newest last',
  help: {
    synopsis: ['dlq show [OPTION]...'],
    description: [
      'Prints when, where and why each record was refused, and below it the record as it was received. Control characters and characters that do not show are printed as escapes, in the stored lines of --json too: there they are JSON escapes, so the values stay the same.',
    ],
    examples: [
      { text: 'The last 20:', command: 'logforge dlq show' },
      { text: 'All reasons of a day:', command: 'logforge dlq show --day 2025-11-22 --limit 0 --json | jq .reason' },
    ],
    exitCodes,
    environment: CONFIG_ENVIRONMENT,
  },
  options: showOptions,
  async run(args, io) {
    const { values } = parseFlags(args, showOptions);
    const limit = toCount('limit', values.limit ?? '20', { min: 0, max: 1_000_000 });
    const format = values.json ? (letter: DeadLetterLine) => `${printableJson(letter.line)}\n` : formatLetter;
    const reader = createReader(await findLetterFiles(values, io), values);
    let shown = 0;
    for await (const letter of limit === 0 ? reader.all() : reader.newest(limit)) {
      shown++;
      await print(io.stdout, format(letter));
    }
    if (shown === 0 && !values.json) await print(io.stdout, 'no dead letters\n');
    await warnOfUnreadable(reader.unreadable(), io);
    return EXIT.ok;
  },
};

/** Reads dead letters in the order of time, and counts the lines that it cannot read. */
function createReader(files: readonly LetterFile[], filter: DeadLetterFilter) {
  let unreadable = 0;
  async function* readable(file: LetterFile): AsyncGenerator<DeadLetterLine> {
    for await (const letter of readLetters(file, filter)) {
      if (letter === undefined) unreadable++;
      else yield letter;
    }
  }
  return {
    unreadable: () => unreadable,
    async *all(): AsyncGenerator<DeadLetterLine> {
      for (const file of files) yield* readable(file);
    },
    /** Holds no more than `limit` in memory, and opens no more files than it needs. */
    async *newest(limit: number): AsyncGenerator<DeadLetterLine> {
      let letters: DeadLetterLine[] = [];
      for (const file of files.toReversed()) {
        if (letters.length === limit) break;
        letters = [...(await takeLast(readable(file), limit - letters.length)), ...letters];
      }
      yield* letters;
    },
  };
}

async function takeLast<T>(items: AsyncIterable<T>, limit: number): Promise<T[]> {
  const ring: T[] = [];
  let next = 0;
  for await (const item of items) ring[next++ % limit] = item;
  const oldest = next > limit ? next % limit : 0;
  return [...ring.slice(oldest), ...ring.slice(0, oldest)];
}

function formatLetter({ time, stage, stream, source, reason, content }: DeadLetterLine): string {
  const head = [time, stage, isDefaultStream(stream) ? '' : stream, source].filter((word) => word !== '').join(' ');
  return `${printable(`${head}: ${reason}`)}\n  ${printable(content)}\n`;
}

export const dlq: Command = {
  name: 'dlq',
  summary: 'list the dead letters, show them and send them again',
  help: {
    synopsis: ['dlq list [OPTION]...', 'dlq show [OPTION]...', 'dlq replay [OPTION]...'],
    description: [
      'Dead letters are records that were refused while the rest of their batch was stored, and Kafka messages that could not be decoded. Each is kept with its reason, in one file a day.',
    ],
    examples: [
      { text: 'The reasons, and how often each occurred:', command: 'logforge dlq list' },
      { text: 'The last five:', command: 'logforge dlq show --limit 5' },
    ],
    exitCodes,
  },
  options: {},
  subcommands: [list, show, dlqReplay],
  async run() {
    throw new UsageError('a subcommand is missing: list, show or replay');
  },
};
