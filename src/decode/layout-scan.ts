// FAST PATH, for any layout: an event of 155 bytes with an extra field takes 215 ns in stored form (bench/micro.ts). record-scan.ts does
// the same for access records alone, whose words it has written out. equality.test.ts holds both to the reference reader.

import { InstantScan } from '../lines/instant-scan.ts';
import type { Lead } from '../lines/layout.ts';
import { storedLevelEnd } from '../lines/level-scan.ts';
import { findStop, isTrimmed } from '../lines/scan-text.ts';
import type { LineWriter } from '../lines/writer.ts';
import { BYTES } from '../model/bytes.ts';
import type { DecodeOptions } from './decode.ts';
import type { RecordScanner } from './fast-reader.ts';
import { MemberScan } from './member-scan.ts';
import type { ScanPlan } from './scan-plan.ts';
import { ValueScan } from './value-scan.ts';

const { BACKSLASH, CLOSE_BRACE, COMMA, OPEN_BRACE, QUOTE } = BYTES;

/** Bytes of `{"timestamp":"`. */
const HEAD_LENGTH = 14;
/** Bytes of the shortest end of a record after the lead of a level, `INFO"}`. */
const LEVEL_TAIL = 6;

/** Bytes of a record that are scanned. A longer record goes to the reference reader, which yields. */
const MAX_LENGTH = 256 * 1024;

export class LayoutScan implements RecordScanner {
  readonly instants: InstantScan;
  readonly view: DataView;
  readonly fieldEnds: Int32Array;
  #members: MemberScan | undefined;
  readonly #plan: ScanPlan;
  readonly #leads: readonly Lead[];
  readonly #levelAt: number;
  readonly #minLength: number;
  readonly #bytes: Uint8Array;
  readonly #values: ValueScan;
  readonly #keepsExtras: boolean;

  constructor(
    plan: ScanPlan,
    bytes: Buffer,
    { extraFields, maxDepth }: Pick<DecodeOptions, 'extraFields' | 'maxDepth'>,
  ) {
    this.#plan = plan;
    this.#leads = plan.layout.leads;
    this.#levelAt = plan.layout.levelAt;
    this.#minLength = plan.minLength;
    this.fieldEnds = plan.layout.fieldEnds;
    this.#bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#keepsExtras = extraFields === 'keep';
    this.instants = new InstantScan(bytes, this.view);
    this.#values = new ValueScan(bytes, this.view, maxDepth - 1);
  }

  /** For records that are not in stored form, or have extra fields. Made for the first one. */
  get #memberScan(): MemberScan {
    this.#members ??= new MemberScan(this.#plan, this.#bytes, this.view, this.instants, this.#values);
    return this.#members;
  }

  storedEnd(at: number): number {
    const bytes = this.#bytes;
    const view = this.view;
    if (at + this.#minLength > bytes.length) return -1;
    // {"timestamp":"
    if (
      view.getInt32(at, true) !== 0x6974227b ||
      view.getInt32(at + 4, true) !== 0x7473656d ||
      view.getInt32(at + 8, true) !== 0x22706d61 ||
      view.getInt32(at + 10, true) !== 0x223a2270
    ) {
      return -1;
    }
    const z = this.instants.canonicalEnd(at + HEAD_LENGTH);
    if (z === -1) return -1;
    const limit = at + MAX_LENGTH;
    this.#values.limit = limit;
    const leads = this.#leads;
    const levelAt = this.#levelAt;
    const { fieldEnds } = this;
    let end = z + 1;
    fieldEnds[0] = end;
    for (let field = 1; field < leads.length; field++) {
      const lead = leads[field] as Lead;
      if (!hasLead(bytes, view, end, lead)) return -1;
      const start = end + lead.length;
      if (field !== levelAt) end = this.#storedTextEnd(start, limit);
      else end = start + LEVEL_TAIL > bytes.length ? -1 : storedLevelEnd(view, start);
      if (end === -1) return -1;
      fieldEnds[field] = end;
    }
    if (bytes[end] !== QUOTE) return -1;
    if (bytes[end + 1] === CLOSE_BRACE) return end + 2;
    return bytes[end + 1] === COMMA && this.#keepsExtras ? this.#memberScan.storedExtrasEnd(end + 1) : -1;
  }

  recordEnd(at: number): number {
    this.#values.limit = at + MAX_LENGTH;
    return this.#memberScan.recordEnd(at);
  }

  write(writer: LineWriter, extraFields: 'keep' | 'drop'): void {
    this.#memberScan.write(writer, extraFields);
  }

  invalidEnd(at: number): number {
    this.#values.limit = at + MAX_LENGTH;
    const end = this.#values.valueEnd(at);
    if (end === -1 || this.#bytes[at] !== OPEN_BRACE) return end;
    return this.#memberScan.recordEnd(at) === -1 && this.#memberScan.isIncomplete ? end : -1;
  }

  /** Where the text from `start` on ends that is stored as it stands there: at its quote, which is checked with what follows; or -1. */
  #storedTextEnd(start: number, limit: number): number {
    const bytes = this.#bytes;
    const end = findStop(bytes, this.view, start, limit);
    if (bytes[end] !== BACKSLASH) return end > start && isTrimmed(bytes, start, end) ? end : -1;
    // Quotes and line ends are common in messages, and escaped as JSON.stringify does.
    const values = this.#values;
    values.sawSlashEscape = false;
    const textEnd = values.textEnd(start - 1);
    return values.sawSlashEscape ? -1 : textEnd;
  }
}

function hasLead(bytes: Uint8Array, view: DataView, at: number, { words, length }: Lead): boolean {
  if (at + length > bytes.length) return false;
  const last = words.length - 1;
  for (let i = 0; i < last; i++) if (view.getInt32(at + i * 4, true) !== words[i]) return false;
  return view.getInt32(at + length - 4, true) === words[last];
}
