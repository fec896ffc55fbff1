import type { Random } from '../support/random.ts';

// The mutation engine: one to four changes of the kinds that disks, networks, editors and bad copies make.

type Change = (bytes: Buffer, random: Random, others: readonly Buffer[]) => Buffer;

const SECTOR_BYTES = 512;
const MAX_INPUT_BYTES = 256 * 1024;
const TELLING_BYTES = Buffer.from(
  '"\\{}[],:: \n\r\t\t019.-+eEutZT/#*&!|>%@`~$=;\0\u0001\u001f\u007f\u00a0\u3000\ufeff\u{1f600}\xff',
);
const LENGTHS = [0, 1, 3, 4, 0x7f, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

/** A stretch of the bytes; mostly short. */
function stretch({ length }: Buffer, random: Random): readonly [from: number, to: number] {
  const from = random.int(0, length);
  const most = random.chance(0.7) ? 8 : random.chance(0.7) ? 100 : length;
  return [from, Math.min(length, from + random.int(1, Math.max(1, most)))];
}

function replace(bytes: Buffer, from: number, to: number, ...by: readonly Buffer[]): Buffer {
  return Buffer.concat([bytes.subarray(0, from), ...by, bytes.subarray(to)]);
}

function changeLines(bytes: Buffer, random: Random): Buffer {
  const lines = bytes.toString('latin1').split('\n');
  const [a, b] = [random.int(0, lines.length - 1), random.int(0, lines.length - 1)];
  const kind = random.int(0, 4);
  if (kind === 0) lines.splice(a, 1);
  else if (kind === 1) lines.splice(b, 0, lines[a] ?? '');
  else if (kind === 2) [lines[a], lines[b]] = [lines[b] ?? '', lines[a] ?? ''];
  else if (kind === 3) lines[a] = `${lines[a]}\r`;
  return Buffer.from(lines.join(kind === 4 ? random.pick(['\r\n', '\r', '\n\n']) : '\n'), 'latin1');
}

const CHANGES: readonly Change[] = [
  function flipBit(bytes, random) {
    const at = random.int(0, Math.max(0, bytes.length - 1));
    if (bytes.length > 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(0, 7));
    return bytes;
  },
  function insertTelling(bytes, random) {
    const at = random.int(0, bytes.length);
    return replace(bytes, at, at, Buffer.of(TELLING_BYTES[random.int(0, TELLING_BYTES.length - 1)] ?? 0));
  },
  function replaceByTelling(bytes, random) {
    const at = random.int(0, bytes.length);
    return replace(bytes, at, at + 1, Buffer.of(TELLING_BYTES[random.int(0, TELLING_BYTES.length - 1)] ?? 0));
  },
  function remove(bytes, random) {
    return replace(bytes, ...stretch(bytes, random));
  },
  function repeat(bytes, random) {
    const [from, to] = stretch(bytes, random);
    return replace(bytes, to, to, bytes.subarray(from, to));
  },
  function move(bytes, random) {
    const [from, to] = stretch(bytes, random);
    const moved = Buffer.from(bytes.subarray(from, to));
    const rest = replace(bytes, from, to);
    const at = random.int(0, rest.length);
    return replace(rest, at, at, moved);
  },
  function overwriteByOther(bytes, random) {
    const [from, to] = stretch(bytes, random);
    bytes.copyWithin(random.int(0, bytes.length), from, to);
    return bytes;
  },
  function loseSector(bytes, random) {
    const at = random.int(0, Math.floor(bytes.length / SECTOR_BYTES)) * SECTOR_BYTES;
    return bytes.fill(random.pick([0, 0, 0xff]), Math.min(at, bytes.length), Math.min(bytes.length, at + SECTOR_BYTES));
  },
  function cut(bytes, random) {
    return bytes.subarray(0, random.int(0, bytes.length));
  },
  function append(bytes, random) {
    const more = Buffer.from(Array.from({ length: random.int(1, 64) }, () => random.int(0, 255)));
    return Buffer.concat([bytes, random.chance(0.5) ? Buffer.alloc(random.int(1, 2_000)) : more]);
  },
  function setLength(bytes, random) {
    if (bytes.length >= 4) bytes.writeUInt32LE(random.pick(LENGTHS), random.int(0, bytes.length - 4));
    return bytes;
  },
  function spliceOther(bytes, random, others) {
    if (others.length === 0) return bytes;
    const other = random.pick(others);
    const [from, to] = stretch(other, random);
    const at = random.int(0, bytes.length);
    return replace(bytes, at, random.chance(0.5) ? at : at + to - from, other.subarray(from, to));
  },
  changeLines,
];

/** A changed copy. `others`: inputs of which stretches may be taken. */
export function mutateBytes(input: Buffer, random: Random, others: readonly Buffer[] = []): Buffer {
  let bytes = Buffer.from(input);
  for (let times = random.chance(0.6) ? 1 : random.int(2, 4); times > 0; times--) {
    bytes = Buffer.from(random.pick(CHANGES)(bytes, random, others).subarray(0, MAX_INPUT_BYTES));
  }
  return bytes;
}

/** Inputs with a piece left out, large pieces first, and then with bytes that are easier to read. */
export function* withoutPieces(input: Buffer): Generator<Buffer> {
  for (let size = input.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < input.length; at += size) yield replace(input, at, at + size);
  }
  for (let at = 0; at < input.length; at++) {
    if (input[at] !== 0x30) yield replace(input, at, at + 1, Buffer.from('0'));
  }
}
