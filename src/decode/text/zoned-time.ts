// FAST PATH.

import type { LineWriter } from '../../lines/writer.ts';
import { BYTES, isDigit } from '../../model/bytes.ts';
import type { Hour } from '../../model/hour.ts';

const { COLON, MINUS, PLUS, POINT, UPPER_Z, ZERO } = BYTES;

/** Lengths of `2025-11-22T15:23`, `2025-11-22T15:23:` and `2025-11-22T15:23:00`. */
const MINUTE_LENGTH = 16;
const PREFIX_LENGTH = 17;
const SECONDS_LENGTH = 19;
const ZONE_LENGTH = 6;
const MAX_FRACTION = 9;

/**
 * RFC 3339 times with an offset: the minute and the zone of the last one are known, and so is the same minute in UTC. Other times are the
 * caller's, who tells what they are.
 */
export class ZonedTime {
  hour: Hour = 0;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  // The minute, and its zone (two words of the six bytes).
  #minute0 = 0;
  #minute1 = 0;
  #minute2 = 0;
  #minute3 = 0;
  #zone0 = 0;
  #zone1 = 0;
  #isKnown = false;
  readonly #prefix = new DataView(new ArrayBuffer(PREFIX_LENGTH));
  // Of the time read last: its seconds and its fraction, without zeros at its end.
  #start = 0;
  #end = 0;

  constructor(bytes: Buffer, view: DataView) {
    this.#bytes = bytes;
    this.#view = view;
  }

  /** Whether [start, end) is a time of the known minute and zone. */
  read(start: number, end: number): boolean {
    const bytes = this.#bytes;
    const sign = bytes[end - ZONE_LENGTH];
    if (!this.#isKnown || (sign !== PLUS && sign !== MINUS)) return false;
    const zone = end - ZONE_LENGTH;
    if (zone < start + SECONDS_LENGTH || !this.#isMinute(start) || !this.#isZone(zone)) return false;
    const seconds = start + PREFIX_LENGTH;
    const tens = bytes[seconds] as number;
    if (bytes[seconds - 1] !== COLON || tens < ZERO || tens >= ZERO + 6 || !isDigit(bytes[seconds + 1] as number)) {
      return false;
    }
    return this.#readFraction(start + SECONDS_LENGTH, zone);
  }

  /** The time at [start, end) is valid, and stored as `text` in `hour`. */
  learn(start: number, end: number, text: string, hour: Hour): void {
    const view = this.#view;
    const sign = this.#bytes[end - ZONE_LENGTH];
    if (end - start < SECONDS_LENGTH + ZONE_LENGTH || (sign !== PLUS && sign !== MINUS)) return;
    this.#minute0 = view.getInt32(start, true);
    this.#minute1 = view.getInt32(start + 4, true);
    this.#minute2 = view.getInt32(start + 8, true);
    this.#minute3 = view.getInt32(start + MINUTE_LENGTH - 4, true);
    this.#zone0 = view.getInt32(end - ZONE_LENGTH, true);
    this.#zone1 = view.getInt32(end - 4, true);
    for (let i = 0; i < PREFIX_LENGTH; i++) this.#prefix.setUint8(i, text.charCodeAt(i));
    this.hour = hour;
    this.#isKnown = true;
  }

  /** Writes the stored text of the time read last. */
  write(writer: LineWriter): void {
    writer.slice(this.#prefix, 0, PREFIX_LENGTH);
    writer.slice(this.#view, this.#start, this.#end);
    writer.byte(UPPER_Z);
  }

  #isMinute(at: number): boolean {
    const view = this.#view;
    return (
      view.getInt32(at, true) === this.#minute0 &&
      view.getInt32(at + 4, true) === this.#minute1 &&
      view.getInt32(at + 8, true) === this.#minute2 &&
      view.getInt32(at + MINUTE_LENGTH - 4, true) === this.#minute3
    );
  }

  #isZone(at: number): boolean {
    return this.#view.getInt32(at, true) === this.#zone0 && this.#view.getInt32(at + 2, true) === this.#zone1;
  }

  #readFraction(at: number, zone: number): boolean {
    const bytes = this.#bytes;
    this.#start = at - 2;
    this.#end = at;
    if (at === zone) return true;
    if (bytes[at] !== POINT || zone - at < 2 || zone - at > MAX_FRACTION + 1) return false;
    for (let i = at + 1; i < zone; i++) if (!isDigit(bytes[i] as number)) return false;
    let end = zone;
    while (bytes[end - 1] === ZERO) end--;
    this.#end = end === at + 1 ? at : end;
    return true;
  }
}
