// FAST PATH. Reads a line of text from its bytes, without a string or an object.

import type { Layout } from '../../lines/layout.ts';
import { BYTES } from '../../model/bytes.ts';
import { type Level, toLevel } from '../../model/level.ts';
import type { Collector } from '../collector.ts';
import type { DecodeOptions, Mapping, TextOptions } from '../decode.ts';
import { FastData } from './fast-data.ts';
import { FastJournal } from './fast-journal.ts';
import { FastLine, TEXT_FIELDS } from './fast-line.ts';
import { FastRaw } from './fast-raw.ts';
import { FastSyslog } from './fast-syslog.ts';
import { SYSLOG_SERVICE } from './syslog.ts';
import { DEFAULT_LEVEL, type TextContext } from './text-record.ts';
import { TextTime } from './text-time.ts';

const { LESS_THAN } = BYTES;

/** A longer text goes to the reference reader. */
const LARGE = 64 * 1024;
/** The fields that a text may have beside TEXT_FIELDS. */
const MORE_FIELDS = ['facility', 'host', 'pid', 'messageId', 'structuredData'];

export interface FastTextOptions {
  readonly layout: Layout;
  readonly body: Buffer;
  readonly collector: Collector;
  readonly options: DecodeOptions;
  readonly text: TextOptions & TextContext;
}

/** The reader of the texts of one block; undefined where their fields are not those of the stream, or are mapped. */
export function createFastText(parts: FastTextOptions): FastText | undefined {
  const { layout, options, text } = parts;
  const { fields, levelAt } = layout;
  const hasFields = fields.length === TEXT_FIELDS.length && fields.every((name) => TEXT_FIELDS.includes(name));
  const isText = text.format !== 'combined';
  if (!hasFields || fields[levelAt] !== 'level' || !isText || isMapped(options.mapping)) return undefined;
  const level = toLevel(text.defaults?.get('level') ?? DEFAULT_LEVEL);
  const service = (text.defaults?.get('service') ?? SYSLOG_SERVICE).trim();
  // Texts without a level or a service may be invalid then.
  if (level === undefined || service === '') return undefined;
  return new FastText(parts, level, service);
}

/** Whether a valid text is not stored as it is read. */
function isMapped(mapping: Mapping | undefined): boolean {
  if (mapping === undefined) return false;
  const renames = [...TEXT_FIELDS, ...MORE_FIELDS].some((name) => mapping.rename.has(name));
  return renames || ![...mapping.defaults.keys()].every((name) => TEXT_FIELDS.includes(name));
}

/**
 * Adds a text to the collector where it certainly is valid and of a known form. At best, on a busy machine, a line of 100 bytes costs about 500 ns, an entry of the journal
 * 900; with the reference readers they cost 4,000 and 11,000 (bench/micro.ts).
 */
export class FastText {
  readonly #body: Buffer;
  readonly #collector: Collector;
  readonly #format: TextOptions['format'];
  readonly #fieldEnds: Int32Array;
  readonly #time: TextTime;
  readonly #line: FastLine;
  readonly #raw: FastRaw;
  readonly #syslog: FastSyslog;
  /** Undefined where members of an entry are not stored as they came. */
  readonly #journal: FastJournal | undefined;
  readonly #maxRecordBytes: number;

  constructor({ layout, body, collector, options, text }: FastTextOptions, level: Level, service: string) {
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    this.#body = body;
    this.#collector = collector;
    this.#format = text.format;
    this.#fieldEnds = layout.fieldEnds;
    this.#time = new TextTime(body, view, text);
    const data = new FastData(body, view);
    const keepsExtras = options.extraFields === 'keep';
    this.#line = new FastLine({
      bytes: body,
      view,
      layout,
      time: this.#time,
      data,
      keepsExtras,
      service,
      level,
    });
    this.#raw = new FastRaw(body, view, this.#time, this.#line);
    this.#syslog = new FastSyslog(body, this.#time, data, this.#line);
    this.#maxRecordBytes = options.maxRecordBytes;
    const keepsMembers = keepsExtras && (options.mapping === undefined || options.mapping.rename.size === 0);
    if (keepsMembers) this.#journal = new FastJournal(body, view, this.#time, this.#line);
  }

  /** Adds the text at [start, end), and gives what it was recognised as; undefined, and nothing is done, where the reference must judge. */
  read(start: number, end: number): 'raw' | 'syslog' | undefined {
    if (end - start > LARGE) return undefined;
    const isSyslog = this.#body[start] === LESS_THAN;
    if (isSyslog ? this.#format === 'raw' : this.#format === 'syslog') return undefined;
    this.#line.clear();
    const isRead = isSyslog ? this.#syslog.read(start, end) : this.#raw.read(start, end);
    return isRead && this.#add() ? (isSyslog ? 'syslog' : 'raw') : undefined;
  }

  /** Adds the entry of the journal at [start, end), of JSON; false, and nothing is done, where the reference must judge it. */
  readEntry(start: number, end: number): boolean {
    if (this.#journal === undefined || end - start > Math.min(LARGE, this.#maxRecordBytes)) return false;
    this.#line.clear();
    return this.#journal.read(start, end) && this.#add();
  }

  #add(): boolean {
    const collector = this.#collector;
    const { writer } = collector.lines;
    const { used } = writer;
    const { hour } = this.#time;
    if (!this.#line.write(writer)) return false;
    // A record of another time may be counted without its reason, which is no success.
    if (collector.window.holds(hour, writer.bytes, used)) return collector.addWritten(hour, used, this.#fieldEnds);
    writer.used = used;
    return false;
  }
}
