import { type Logger, pino } from 'pino';
import { openStandardError } from './log/standard-error.ts';
import { type Clock, systemClock } from './model/clock.ts';

/** The fields of an entry, beside its message. An Error goes under `err`, with its causes. */
export interface LogFields {
  readonly [name: string]: unknown;
  readonly err?: unknown;
  /**
   * Entries of the same level, message and `fold` are repeats of each other: after the first few in an interval they are
   * counted, not written. `false`: never folded. This field is not written itself.
   */
  readonly fold?: string | number | false;
}

type Write = (message: string, fields?: LogFields) => void;

/** The service's own log. Messages are constant text; what varies goes into fields. */
export interface Log {
  readonly trace: Write;
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
  readonly fatal: Write;
  /** A log that adds these fields to every entry; it shares the folding of its parent. */
  child(fields: LogFields): Log;
}

/** A log with the duty to close it. */
export interface OwnedLog extends Log {
  /** Writes the counts of folded entries and stops the timer. Later entries are still written. */
  close(): void;
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
type Level = (typeof LEVELS)[number];
export type LogLevel = Level | 'silent';

/** Takes whole lines, synchronously: a line is out when `write` returns, even if the process ends right after. */
export interface LogStream {
  write(line: string): unknown;
  /** For entries of the level fatal, where the stream may drop others. Absent: `write`. */
  writeUrgent?(line: string): unknown;
  readonly isTTY?: boolean;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** 'auto': pretty on a terminal, otherwise JSON lines. */
  readonly format: 'auto' | 'json' | 'pretty';
  /** Standard error when not given. */
  readonly stream?: LogStream;
  readonly clock?: Clock;
  /** How many repeats are written in one interval. */
  readonly foldAfter?: number;
  /** Milliseconds. */
  readonly foldInterval?: number;
}

/** Different entries whose repeats are counted at once. Beyond that the oldest is no longer counted. */
const MAX_COUNTED = 1_000;

/** Starts the log. The caller closes it. */
export function createLog(options: LogOptions): OwnedLog {
  const {
    level,
    format,
    stream = standardError((lines) =>
      logger.warn({ lines }, 'log lines were dropped: the reader of standard error had stopped'),
    ),
    clock = systemClock,
    foldAfter = 5,
    foldInterval = 10_000,
  } = options;
  const isPretty = format === 'pretty' || (format === 'auto' && stream.isTTY === true);
  const colours = stream.isTTY === true && (process.env.NO_COLOR ?? '') === '';
  const logger = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date(clock()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
    },
    toDestination(stream, isPretty ? (line) => prettify(line, colours) : undefined),
  );
  const folding = createFolding({ clock, limit: foldAfter, interval: foldInterval });
  return { ...wrap(logger, folding), close: folding.close };
}

function wrap(logger: Logger, folding: Folding): Log {
  const at = (level: Level): Write => {
    const write = (message: string, fields: LogFields) => logger[level](fields, message);
    return (message, fields = {}) => {
      if (!logger.isLevelEnabled(level)) return;
      const { fold = '', ...rest } = fields;
      if (fold === false) write(message, rest);
      else folding.pass(`${level} ${fold} ${message}`, (repeats) => write(message, { ...rest, ...repeats }));
    };
  };
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    child: ({ fold: _, ...fields }) => wrap(logger.child(fields), folding),
  };
}

interface Folding {
  /** Writes the entry now, or counts it. The last counted one is written with `repeated` when the interval is over. */
  pass(identity: string, write: (repeats?: LogFields) => void): void;
  close(): void;
}

function createFolding({ clock, limit, interval }: { clock: Clock; limit: number; interval: number }): Folding {
  interface Repeats {
    readonly since: number;
    written: number;
    folded: number;
    write: (repeats?: LogFields) => void;
  }
  const watched = new Map<string, Repeats>();
  let timer: NodeJS.Timeout | undefined;

  const settle = (identity: string, entry: Repeats) => {
    watched.delete(identity);
    if (entry.folded > 0) entry.write({ repeated: entry.folded });
  };
  const sweep = () => {
    timer = undefined;
    for (const [identity, entry] of watched) if (isOver(entry)) settle(identity, entry);
    if (watched.size > 0) watch();
  };
  const isOver = (entry: Repeats) => clock() - entry.since >= interval;
  const watch = () => {
    timer ??= setTimeout(sweep, interval).unref();
  };

  return {
    pass(identity, write) {
      let entry = watched.get(identity);
      if (entry !== undefined && isOver(entry)) {
        settle(identity, entry);
        entry = undefined;
      }
      if (entry === undefined) {
        const [oldest] = watched;
        if (oldest !== undefined && watched.size >= MAX_COUNTED) settle(...oldest);
        watched.set(identity, { since: clock(), written: 1, folded: 0, write });
        watch();
        write();
      } else if (entry.written < limit) {
        entry.written++;
        write();
      } else {
        entry.folded++;
        entry.write = write;
      }
    },
    close() {
      clearTimeout(timer);
      timer = undefined;
      for (const [identity, entry] of watched) settle(identity, entry);
    },
  };
}

/** An error as fields. The messages of its causes follow its own, unless that contains them. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = 'code' in error ? { code: error.code } : {};
  return { type: error.name, message: messageWithCauses(error), ...code, stack: error.stack };
}

function messageWithCauses(error: Error, depth = 0): string {
  const { message, cause } = error;
  if (!(cause instanceof Error) || depth >= 10) return message;
  const below = messageWithCauses(cause, depth + 1);
  return message.includes(below) ? message : `${message}: ${below}`;
}

/** pino sets `lastLevel` before it calls `write`, since the symbol asks for it. */
function toDestination(stream: LogStream, format: (line: string) => string = (line) => line) {
  const destination = {
    [pino.symbols.needsMetadataGsym]: true as const,
    lastLevel: 0,
    write(line: string): void {
      const text = format(line);
      if (destination.lastLevel >= FATAL && stream.writeUrgent !== undefined) stream.writeUrgent(text);
      else stream.write(text);
    },
  };
  return destination;
}

const FATAL = pino.levels.values.fatal ?? 60;

/** Lines of this thread that standard error did not take, since `takeDroppedLogLines` was called last. */
let droppedLines = 0;

/** Own log lines that were dropped since the last call, because nobody read standard error. For the metric. */
export function takeDroppedLogLines(): number {
  const lines = droppedLines;
  droppedLines = 0;
  return lines;
}

/** Standard error. The service must neither wait nor end because the reader of its log does not read. */
function standardError(onCaughtUp: (lines: number) => void): LogStream {
  const onDropped = () => {
    droppedLines++;
  };
  return openStandardError({ onDropped, onCaughtUp });
}

const COLOURS: Readonly<Record<string, string>> = {
  trace: '\x1b[90m',
  debug: '\x1b[36m',
  info: '\x1b[32m',
  warn: '\x1b[33m',
  error: '\x1b[31m',
  fatal: '\x1b[1;31m',
};

/** One JSON line as one line for people: `2025-11-22T15:23:00.123Z INFO  listening addr=:8082`. */
function prettify(line: string, colours: boolean): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line);
  const paint = (colour: string | undefined, text: string) => (colours ? `${colour ?? ''}${text}\x1b[0m` : text);
  const words = [
    paint('\x1b[90m', String(time)),
    paint(COLOURS[level], String(level).toUpperCase().padEnd(5)),
    plain(msg),
  ];
  for (const [name, value] of Object.entries(fields)) words.push(`${paint('\x1b[90m', `${name}=`)}${quote(value)}`);
  if (err !== undefined) words.push(`${paint('\x1b[31m', 'err=')}${quote(err?.message ?? err)}`);
  if (level === 'fatal' && err?.stack !== undefined) words.push(`stack=${quote(err.stack)}`);
  return `${words.join(' ')}\n`;
}

function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
  const isBare = typeof value !== 'string' || /^[^\s"=]+$/.test(text);
  return plain(isBare ? text : JSON.stringify(text));
}

/** Escapes control characters: fields may hold what a client sent, and must not control the terminal. */
function plain(text: unknown): string {
  return String(text).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) => {
    return `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
  });
}
