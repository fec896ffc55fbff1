import { describe, expect, it } from 'vitest';
import { createRandom } from '../../test/support/random.ts';
import { type EntryForm, scanLog } from './scan-log.ts';
import { type EncodedEntry, encodeEntry, sealEntry } from './write-ahead-log.ts';

const random = createRandom(5);

/** Entries are valid in their own place only, as in the commit journal. */
const byPosition: EntryForm = { metaStart: Buffer.from('{"n":'), seedOf: (_, position) => position };
/** Entries are valid with their own number only, as in the spool. */
const byNumber: EntryForm = { metaStart: Buffer.from('{"n":'), seedOf: (number) => 77 + number, isNumbered: true };
const FORMS = [byPosition, byNumber];

const START = 8;

/** A log of entries with this many bytes of data each, and where each entry begins and the last one ends. */
function logOf(form: EntryForm, sizes: readonly number[]): { bytes: Buffer; ends: number[] } {
  const parts: Buffer[] = [Buffer.from('LFMAGIC\n')];
  const ends = [START];
  for (const [n, size] of sizes.entries()) {
    const entry: EncodedEntry = encodeEntry({ n }, [Buffer.alloc(size, `data ${n}\n`)]);
    sealEntry(entry, form.seedOf(n, ends.at(-1) ?? 0));
    parts.push(...entry.buffers);
    ends.push((ends.at(-1) ?? 0) + entry.bytes);
  }
  return { bytes: Buffer.concat(parts), ends };
}

const scan = (bytes: Buffer, form: EntryForm) => scanLog(bytes, { start: START, form });
const numbersOf = (found: ReturnType<typeof scanLog>) => found.entries.map(({ meta }) => (meta as { n: number }).n);
const AHEAD = Buffer.alloc(4096);

describe.each(FORMS)('a log', (form) => {
  const sizes = [0, 30, 600, 5_000, 40, 2_000];
  const { bytes, ends } = logOf(form, sizes);
  const last = ends.at(-2) ?? 0;

  it('without damage is read to its end, with zeros after it and without', () => {
    for (const log of [bytes, Buffer.concat([bytes, AHEAD])]) {
      const found = scan(log, form);
      expect(numbersOf(found)).toEqual([0, 1, 2, 3, 4, 5]);
      expect(found).toMatchObject({ damage: [], end: ends.at(-1), nextNumber: 6, tornBytes: 0 });
    }
  });

  it('that ends anywhere in its last entry was not finished, whether zeros follow or nothing does', () => {
    for (let cut = last; cut < bytes.length; cut++) {
      for (const log of [bytes.subarray(0, cut), Buffer.concat([bytes.subarray(0, cut), AHEAD])]) {
        const found = scan(log, form);
        expect([cut, numbersOf(found), found.damage, found.end]).toEqual([cut, [0, 1, 2, 3, 4], [], last]);
      }
    }
  });

  it('of which any sectors of the last entry are missing was not finished', () => {
    for (let trial = 0; trial < 300; trial++) {
      const log = Buffer.concat([bytes, AHEAD]);
      const first = Math.floor(last / 512);
      const count = Math.ceil(bytes.length / 512) - first;
      const lost = Array.from({ length: count }, (_, i) => first + i).filter(() => random.chance(0.5));
      for (const sector of lost) log.fill(0, Math.max(last, sector * 512), Math.min(bytes.length, (sector + 1) * 512));
      const found = scan(log, form);
      expect([lost, found.damage, found.entries.length]).toEqual([lost, [], lost.length === 0 ? 6 : 5]);
    }
  });

  it('with one wrong bit anywhere is read whole, and the damage is told', () => {
    for (let trial = 0; trial < 2_000; trial++) {
      const position = random.int(START, bytes.length - 1);
      const log = Buffer.concat([bytes, AHEAD]);
      log[position] = (log[position] ?? 0) ^ (1 << random.int(0, 7));
      const found = scan(log, form);
      expect([position, numbersOf(found)]).toEqual([position, [0, 1, 2, 3, 4, 5]]);
      const start = ends.findLast((end) => end <= position);
      expect(found.damage).toEqual([{ start, end: ends[ends.indexOf(start ?? 0) + 1], isCorrected: true }]);
      for (const [i, { data }] of found.entries.entries())
        expect(data).toEqual(Buffer.alloc(sizes[i] ?? 0, `data ${i}\n`));
    }
  });

  it('with a sector of rubbish loses the entries there and no other', () => {
    for (let at = 0; at < bytes.length - 20; at += 97) {
      const log = Buffer.concat([bytes, AHEAD]);
      const end = Math.min(at + 512, bytes.length);
      for (let i = Math.max(at, START); i < end; i++) log[i] = random.int(1, 255);
      const hit = [...sizes.keys()].filter((n) => (ends[n] ?? 0) < end && (ends[n + 1] ?? 0) > Math.max(at, START));
      const found = scan(log, form);
      expect([at, numbersOf(found)]).toEqual([at, [0, 1, 2, 3, 4, 5].filter((n) => !hit.includes(n))]);
      expect(found.damage.some(({ isCorrected }) => !isCorrected)).toBe(true);
    }
  });

  it('with a sector of zeros before other entries is damaged, not unfinished', () => {
    const log = Buffer.from(bytes);
    const middle = ends[3] ?? 0;
    log.fill(0, middle, middle + 512);
    const found = scan(log, form);
    expect(numbersOf(found)).toEqual([0, 1, 2, 4, 5]);
    expect(found.damage).toEqual([{ start: middle, end: ends[4], isCorrected: false }]);
    if (form.isNumbered === true) expect(found.nextNumber).toBe(6);
  });

  it('whose last entry has two wrong bits and its whole length is damaged, not unfinished', () => {
    for (let trial = 0; trial < 200; trial++) {
      const log = Buffer.concat([bytes, AHEAD]);
      const positions = [random.int(last + 12, last + 900), random.int(last + 1_000, bytes.length - 2)];
      for (const position of positions) log[position] = (log[position] ?? 0) ^ 1;
      const found = scan(log, form);
      expect([positions, numbersOf(found).length, found.damage.length, found.tornBytes]).toEqual([positions, 5, 1, 0]);
    }
  });
});

describe('a log of numbered entries', () => {
  it('of which whole entries were cut out is read on with the next one', () => {
    const { bytes, ends } = logOf(byNumber, [10, 600, 30, 20, 40]);
    const log = Buffer.concat([bytes.subarray(0, ends[1]), bytes.subarray(ends[3])]);
    const found = scan(log, byNumber);
    expect(numbersOf(found)).toEqual([0, 3, 4]);
    expect(found).toMatchObject({ damage: [{ start: ends[1], end: ends[1], isCorrected: false }], nextNumber: 5 });
  });
});
