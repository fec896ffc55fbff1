// FAST PATH. The figures stand at fast-text.ts.

import { levelNamed } from '../../lines/level-scan.ts';
import { isTrimmed } from '../../lines/scan-text.ts';
import { BYTES } from '../../model/bytes.ts';
import type { FastLine } from './fast-line.ts';
import type { TextTime } from './text-time.ts';

const { CLOSE_BRACKET, OPEN_BRACKET, SPACE } = BYTES;

/** Finds the parts of `ts [LEVEL] [service] message`, as raw.ts does. */
export class FastRaw {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #time: TextTime;
  readonly #line: FastLine;

  constructor(bytes: Buffer, view: DataView, time: TextTime, line: FastLine) {
    this.#bytes = bytes;
    this.#view = view;
    this.#time = time;
    this.#line = line;
  }

  /** Sets the time and the parts of the text at [start, end); false where the reference reader must judge it. */
  read(start: number, end: number): boolean {
    const bytes = this.#bytes;
    const line = this.#line;
    let at = start;
    while (at < end && bytes[at] !== SPACE) at++;
    const timeEnd = at;
    at = this.#openBracket(at, end);
    const levelEnd = this.#closeBracket(at, end);
    if (levelEnd === -1 || !this.#time.readInstant(start, timeEnd)) return false;
    line.level = this.#isPrintable(at, levelEnd) ? levelNamed(this.#view, at, levelEnd) : -1;
    if (line.level === -1) return false;
    at = this.#openBracket(levelEnd + 1, end);
    const serviceEnd = this.#closeBracket(at, end);
    if (serviceEnd === -1 || at === serviceEnd || !isTrimmed(bytes, at, serviceEnd)) return false;
    line.serviceStart = at;
    line.serviceEnd = serviceEnd;
    return line.setMessage(serviceEnd + 1, end);
  }

  /** The offset after one space or more and a bracket; `end` where they do not stand at `at`. */
  #openBracket(at: number, end: number): number {
    const bytes = this.#bytes;
    let next = at;
    while (next < end && bytes[next] === SPACE) next++;
    return next > at && next < end && bytes[next] === OPEN_BRACKET ? next + 1 : end;
  }

  /** Where the bracket closes that was opened before `at`; -1 where it does not, or another one opens in it. */
  #closeBracket(at: number, end: number): number {
    const bytes = this.#bytes;
    for (let next = at; next < end; next++) {
      const byte = bytes[next];
      if (byte === CLOSE_BRACKET) return next;
      if (byte === OPEN_BRACKET) return -1;
    }
    return -1;
  }

  #isPrintable(start: number, end: number): boolean {
    const bytes = this.#bytes;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte <= 0x20 || byte >= 0x7f) return false;
    }
    return start < end;
  }
}
