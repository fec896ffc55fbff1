// FAST PATH. Finds the wanted values of an object on the way through its bytes.

import { findStop } from '../../lines/scan-text.ts';
import { BYTES } from '../../model/bytes.ts';
import { ValueScan } from '../value-scan.ts';
import { viewOf } from './access/line-bytes.ts';
import type { MemberTree, WantedValue } from './member-tree.ts';

const { CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } = BYTES;

const NOTHING = Buffer.alloc(0);
const MAX_DEPTH = 32;

export class MemberPlaces {
  bytes: Buffer = NOTHING;
  view: DataView = viewOf(NOTHING);
  /** Where the values of the tree begin in `bytes`, by their ids; 0 for one that is not there. */
  readonly starts: Int32Array;
  /** And end. */
  readonly ends: Int32Array;
  readonly #tree: MemberTree;
  #values: ValueScan = new ValueScan(NOTHING, this.view, MAX_DEPTH);
  #end = 0;

  constructor(tree: MemberTree) {
    this.#tree = tree;
    this.starts = new Int32Array(tree.size);
    this.ends = new Int32Array(tree.size);
  }

  /**
   * Finds the values in bytes[start, end). False where it cannot judge: it is not certainly one valid object, has a wanted value twice, or an
   * escape in a name where names are wanted.
   */
  find(bytes: Buffer, start: number, end: number): boolean {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = viewOf(bytes);
      this.#values = new ValueScan(bytes, this.view, MAX_DEPTH);
    }
    const values = this.#values;
    values.limit = end;
    this.#end = end;
    this.starts.fill(0);
    const open = values.skipWhite(start);
    if (open >= end || bytes[open] !== OPEN_BRACE) return false;
    const close = this.#objectEnd(open, this.#tree.root, 0);
    return close !== -1 && close <= end && values.skipWhite(close) >= end;
  }

  /** The offset after the value at `at`, or -1. */
  #valueEnd(at: number, wanted: WantedValue, depth: number): number {
    const { id } = wanted;
    if (this.starts[id] !== 0) return -1;
    this.starts[id] = at;
    const first = this.bytes[at];
    const end =
      first === OPEN_BRACE && wanted.members.length > 0
        ? this.#objectEnd(at, wanted, depth)
        : first === OPEN_BRACKET && wanted.elements.size > 0
          ? this.#listEnd(at, wanted, depth)
          : this.#values.valueEnd(at, depth);
    this.ends[id] = end;
    return end;
  }

  #objectEnd(at: number, wanted: WantedValue, depth: number): number {
    const bytes = this.bytes;
    const values = this.#values;
    let i = values.skipWhite(at + 1);
    if (bytes[i] === CLOSE_BRACE) return i + 1;
    for (;;) {
      if (bytes[i] !== QUOTE) return -1;
      const nameEnd = findStop(bytes, this.view, i + 1, this.#end);
      if (bytes[nameEnd] !== QUOTE) return -1;
      const member = wanted.find(bytes, i + 1, nameEnd);
      i = values.skipWhite(nameEnd + 1);
      if (bytes[i] !== COLON) return -1;
      i = values.skipWhite(i + 1);
      i = member === undefined ? values.valueEnd(i, depth + 1) : this.#valueEnd(i, member, depth + 1);
      if (i === -1 || i > this.#end) return -1;
      i = values.skipWhite(i);
      if (bytes[i] === CLOSE_BRACE) return i + 1;
      if (bytes[i] !== COMMA) return -1;
      i = values.skipWhite(i + 1);
    }
  }

  #listEnd(at: number, wanted: WantedValue, depth: number): number {
    const bytes = this.bytes;
    const values = this.#values;
    let i = values.skipWhite(at + 1);
    if (bytes[i] === CLOSE_BRACKET) return i + 1;
    for (let index = 0; ; index++) {
      const element = wanted.elements.get(index);
      i = element === undefined ? values.valueEnd(i, depth + 1) : this.#valueEnd(i, element, depth + 1);
      if (i === -1 || i > this.#end) return -1;
      i = values.skipWhite(i);
      if (bytes[i] === CLOSE_BRACKET) return i + 1;
      if (bytes[i] !== COMMA) return -1;
      i = values.skipWhite(i + 1);
    }
  }
}
