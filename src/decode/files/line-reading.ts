import { BYTES, isDigit } from '../../model/bytes.ts';
import { unwrapJson, WRAPPER_NAMES } from './json-wrappers.ts';
import type { AccessLines, LineVerdict } from './line-format.ts';
import { LineRouter, type RouterOptions, type RouterState } from './line-router.ts';
import { nameOtherLog } from './other-logs.ts';
import { PartJoiner } from './part-joiner.ts';
import { readCriLine, skipPrefixes } from './prefixes.ts';
import { skipFluentd } from './program-prefixes.ts';

const { OPEN_BRACE, QUOTE, TAB } = BYTES;

/** A line may be in a line of a container runtime, which may be in one of the journal. */
const MAX_WRAPPERS = 3;

interface State extends RouterState {
  /** Of the lines whose ends were not read yet. */
  readonly parts?: string;
}

export interface LineReadingOptions extends RouterOptions {
  /** JSON is read as it stands, where that is possible, before a line in it is looked for. */
  readonly hasMap: boolean;
}

/** Reads the lines of a file in which programs may have wrapped each line of the log, and cut long ones into parts. */
export class LineReading {
  readonly #hasMap: boolean;
  readonly #router: LineRouter;
  readonly #parts: PartJoiner;

  constructor({ hasMap, ...options }: LineReadingOptions, state: string) {
    const { parts = '', ...router } = parseState(state);
    this.#hasMap = hasMap;
    this.#router = new LineRouter(options, router);
    this.#parts = new PartJoiner(parts);
  }

  /** See FileReading.state. */
  get state(): string {
    const parts = this.#parts.state;
    const state: State = { ...this.#router.state, ...(parts === '' ? {} : { parts }) };
    return Object.keys(state).length === 0 ? '' : JSON.stringify(state);
  }

  /** As LineReader.read. A part of a line is a `directive`, until its end comes. */
  read(bytes: Buffer, start: number, end: number, out: AccessLines): LineVerdict {
    return this.#read(bytes, start, end, out, 0);
  }

  #read(bytes: Buffer, start: number, end: number, out: AccessLines, wrappers: number): LineVerdict {
    const cri = isDigit(bytes[start] ?? 0) ? readCriLine(bytes, start, end) : undefined;
    if (cri !== undefined && wrappers < MAX_WRAPPERS) {
      return this.#readPart(cri.stream, bytes.subarray(cri.start, end), cri.isPart, out, wrappers);
    }
    const at = skipPrefixes(bytes, start, end);
    if (at === end) return 'directive';
    if (bytes[at] !== OPEN_BRACE || wrappers >= MAX_WRAPPERS) return this.#readLine(bytes, at, end, out);
    const verdict = this.#readObject(bytes, at, end, out, wrappers);
    const timed = typeof verdict === 'string' || at === start ? undefined : withFluentdTime(bytes, start, at, end);
    if (timed === undefined) return verdict;
    const again = this.#readLine(timed, 0, timed.length, out);
    return typeof again === 'string' ? again : verdict;
  }

  #readObject(bytes: Buffer, start: number, end: number, out: AccessLines, wrappers: number): LineVerdict {
    // FAST PATH. A line of a known shape is a record itself (json-wrappers.ts, isRecord): the search for a line in it would parse it first.
    if (!this.#hasMap && this.#router.readRecord(bytes, start, end, out)) return 'record';
    const own = this.#hasMap ? this.#readLine(bytes, start, end, out) : undefined;
    if (typeof own === 'string') return own;
    const line = bytes.subarray(start, end);
    const inner = mayBeWrapped(line) ? unwrapJson(line) : undefined;
    if (inner === undefined) return own ?? this.#readLine(bytes, start, end, out);
    return this.#readPart(inner.stream, inner.text, inner.part, out, wrappers);
  }

  #readPart(stream: string, text: Buffer, isPart: boolean, out: AccessLines, wrappers: number): LineVerdict {
    const line = this.#parts.add(stream, text, isPart);
    if (line === undefined) return 'directive';
    return 'reason' in line ? line : this.#read(line, 0, line.length, out, wrappers + 1);
  }

  #readLine(bytes: Buffer, start: number, end: number, out: AccessLines): LineVerdict {
    const verdict = this.#router.read(bytes, start, end, out);
    // JSON is no other log, whatever its texts look like.
    if (typeof verdict === 'string' || bytes[start] === OPEN_BRACE) return verdict;
    const reason = nameOtherLog(bytes.subarray(start, end));
    return reason === undefined ? verdict : { reason };
  }
}

/** fluentd has the time of a record beside it. undefined: the object does not stand after such a time, or has no members. */
function withFluentdTime(bytes: Buffer, start: number, object: number, end: number): Buffer | undefined {
  if (skipFluentd(bytes, start, end) !== object || end - object <= '{}'.length) return undefined;
  const time = bytes.toString('latin1', start, bytes.indexOf(TAB, start));
  return Buffer.concat([Buffer.from(`{"time":"${time}",`), bytes.subarray(object + 1, end)]);
}

/** What is no state, such as that of a reading of another format, counts as empty. */
function parseState(state: string): State {
  if (!state.startsWith('{')) return {};
  try {
    return JSON.parse(state) as State;
  } catch {
    return {};
  }
}

/** The line inside, for the recognition: as LineReading finds it, but for parts. */
export function unwrapLine(line: Buffer): Buffer {
  let inner = line;
  for (let wrappers = 0; wrappers < MAX_WRAPPERS; wrappers++) {
    inner = inner.subarray(skipPrefixes(inner, 0, inner.length));
    const unwrapped = inner[0] === OPEN_BRACE ? unwrapJson(inner) : undefined;
    if (unwrapped === undefined) break;
    inner = unwrapped.text;
  }
  return inner;
}

/** By the byte after the opening quote. */
const WRAPPERS = new Map<number | undefined, readonly Buffer[]>();
for (const name of WRAPPER_NAMES.map((name) => Buffer.from(`"${name}"`))) {
  WRAPPERS.set(name[1], [...(WRAPPERS.get(name[1]) ?? []), name]);
}

/** FAST PATH. JSON that is no wrapper is not parsed twice. One pass over the bytes: half the time of a search for each name. */
function mayBeWrapped(line: Buffer): boolean {
  for (let at = 0; at < line.length; at++) {
    if (line[at] !== QUOTE) continue;
    for (const name of WRAPPERS.get(line[at + 1]) ?? NONE) if (standsAt(name, line, at)) return true;
  }
  return false;
}

const NONE: readonly Buffer[] = [];

function standsAt(name: Buffer, line: Buffer, at: number): boolean {
  for (let i = name.length - 1; i > 1; i--) if (line[at + i] !== name[i]) return false;
  return true;
}
