import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DamageReport } from '../../../src/disk/damage-report.ts';
import { lengthWithoutZeros, scanLog } from '../../../src/disk/scan-log.ts';
import { decodeEntry, encodeEntry, sealEntry } from '../../../src/disk/write-ahead-log.ts';
import { createBatchIds } from '../../../src/model/batch-id.ts';
import { parseHour } from '../../../src/model/hour.ts';
import { RECORD_BYTES } from '../../../src/model/key-table.ts';
import { encodeBatch, type SpoolEntry, scanBatches, seedOf } from '../../../src/queue/spool/spool-format.ts';
import { SpoolSegments } from '../../../src/queue/spool/spool-segments.ts';
import { DataFiles } from '../../../src/repo/data-files.ts';
import { IdempotencyKeys } from '../../../src/repo/idempotency-keys.ts';
import { MAGIC, seedAt } from '../../../src/repo/journal.ts';
import { readSegments } from '../../../src/repo/journal-reader.ts';
import { asWhole, scanAnswers, scanKeys } from '../../../src/repo/key-files.ts';
import type { Random } from '../../support/random.ts';
import { type FuzzTarget, promise } from '../fuzz.ts';
import { idsOf, lineOf } from '../lines.ts';
import { keepLog, makeTemporaryFolder, removeTemporaryFolder } from '../temporary.ts';

/*
 * The files of entries: the commit journal, the spool, the idempotency keys and the answers to their repeats. A damaged file gives no line
 * that nobody wrote. Every entry that is whole in its own place is read, before the damage and after it. Damage is told by its place.
 */

const SEGMENT = 3;
const HOUR = parseHour('2025-11-22T10') ?? 0;
const TIME = 1_700_000_000_000;

function bytesOf(buffers: readonly Buffer[], seed: number): Buffer {
  const entry = { buffers, bytes: 0 };
  sealEntry(entry, seed);
  return Buffer.concat(buffers);
}

function makeJournal(random: Random): Buffer {
  let bytes = Buffer.from(MAGIC);
  let length = 0;
  let id = random.int(0, 50);
  for (let seq = 0, entries = random.int(1, 12); seq < entries; seq++) {
    const lines =
      seq === 0 || random.chance(0.2)
        ? Buffer.alloc(0)
        : Buffer.from(Array.from({ length: random.int(1, 3) }, () => lineOf(id++)).join(''));
    length += lines.length;
    const extra = random.chance(0.3)
      ? { keys: [{ key: `k${seq}`, bodyHash: 'h', answer: '{"accepted":1}', time: TIME }] }
      : {};
    const meta = {
      seq,
      files: [['2025-11-22T10', length, lines.length]],
      ...extra,
      ...(random.chance(0.2) && { batchIds: [`p:${seq}`] }),
    };
    bytes = Buffer.concat([bytes, bytesOf(encodeEntry(meta, [lines]).buffers, seedAt(SEGMENT, bytes.length))]);
  }
  return random.chance(0.4) ? Buffer.concat([bytes, Buffer.alloc(random.int(1, 5_000))]) : bytes;
}

/** The places of a file must follow each other without a gap. */
function coversAll(
  bytes: Buffer,
  start: number,
  places: readonly { readonly start: number; readonly end: number }[],
  torn: number,
): void {
  let at = start;
  for (const place of [...places].sort((a, b) => a.start - b.start || a.end - b.end)) {
    promise(place.start <= at && place.end >= at, () => `nothing is said of the bytes from ${at} to ${place.start}`);
    at = place.end;
  }
  const length = lengthWithoutZeros(bytes, start);
  promise(
    at + torn >= length && at <= Math.max(bytes.length, start),
    () => `${length - at - torn} bytes at the end are left out`,
  );
}

export const journalTarget: FuzzTarget = {
  name: 'journal',
  runsPerSecond: 250,
  make: makeJournal,
  async check(input) {
    const stateDir = makeTemporaryFolder('journal');
    try {
      writeFileSync(join(stateDir, `journal-0000000${SEGMENT}.log`), input);
      const dataFiles = new DataFiles({ logsDir: stateDir, dlqDir: stateDir });
      const segments = await readSegments(stateDir, dataFiles).catch((error: unknown) => {
        const isDeclared =
          error instanceof Error &&
          /^cannot read the commit journal file=.*a later version of logforge wrote it/.test(error.message);
        if (!isDeclared) throw error;
        return undefined;
      });
      const [segment] = segments ?? [];
      if (segment === undefined) return;
      for (const { data } of segment.entries) idsOf(data);
      const isMagic = input.subarray(0, MAGIC.length).equals(MAGIC);
      const scan = scanLog(input, {
        start: MAGIC.length,
        form: { metaStart: Buffer.from('{"seq":'), seedOf: (_, position) => seedAt(SEGMENT, position) },
      });
      if (!isMagic) return;
      coversAll(
        input,
        MAGIC.length,
        [...scan.entries.map(({ start, end }) => ({ start, end })), ...scan.damage],
        scan.tornBytes,
      );
      const found = new Set(scan.entries.map(({ start }) => start));
      for (const start of wholeInPlace(input, MAGIC.length, (at) => [seedAt(SEGMENT, at)])) {
        promise(found.has(start), () => `the whole entry at ${start} is not read; read: ${[...found]}`);
      }
    } finally {
      removeTemporaryFolder(stateDir);
    }
  },
};

/** Where a whole entry stands, tried at every byte. One inside another does not count. `seedsAt`: those that an entry may have there. */
function wholeInPlace(
  bytes: Buffer,
  start: number,
  seedsAt: (position: number) => readonly number[],
  onFound: (seed: number) => void = () => undefined,
): number[] {
  const places: number[] = [];
  for (let at = start; at < bytes.length - 12; ) {
    const seed =
      bytes[at + 12] === 0x7b ? seedsAt(at).find((one) => decodeEntry(bytes, at, one) !== undefined) : undefined;
    if (seed === undefined) {
      at++;
      continue;
    }
    places.push(at);
    onFound(seed);
    at = decodeEntry(bytes, at, seed)?.end ?? at + 1;
  }
  return places;
}

/** More than the entries of an input. */
const MAX_SEQUENCES = 32;

function makeSpool(random: Random): Buffer {
  const nextId = createBatchIds('0f8fad5b-d9cb-469f-a165-70867728950e');
  let id = random.int(0, 50);
  const entries = Array.from({ length: random.int(1, 10) }, (_, sequence) => {
    const count = random.int(1, 3);
    const lines = Buffer.from(Array.from({ length: count }, () => lineOf(id++)).join(''));
    const { buffers } = encodeBatch({ id: nextId(), batch: [{ stream: 'access', hour: HOUR, count, lines }] }, TIME);
    return bytesOf(buffers, seedOf(sequence));
  });
  return Buffer.concat(entries);
}

export const spoolTarget: FuzzTarget = {
  name: 'spool',
  runsPerSecond: 40,
  make: makeSpool,
  async check(input) {
    const stateDir = makeTemporaryFolder('spool');
    try {
      const dir = join(stateDir, 'spool');
      const { log, said } = keepLog();
      let places = 0;
      const count = (_: unknown, more: number) => {
        places += more;
      };
      const report = new DamageReport({ stateDir, count, clock: () => TIME, log });
      // Made first, so that it is not this reader that makes it.
      const empty = await SpoolSegments.open({ dir, segmentBytes: 1e9, report, log });
      await empty.close();
      writeFileSync(join(dir, '0000000000000000.spool'), input);
      const scan = scanBatches(input, { start: 0, first: 0 });
      const spool = await SpoolSegments.open({ dir, segmentBytes: 1e9, report, log });
      const read: SpoolEntry[] = [];
      for (let at = spool.head; at < spool.tail; at = (read.at(-1)?.sequence ?? spool.tail) + 1) {
        const entries = await spool.read(at, 2_000);
        if (entries.length === 0) break;
        read.push(...entries);
      }
      await spool.close();
      const sequences = read.map(({ sequence }) => sequence);
      promise(
        sequences.join() === [...new Set(sequences)].sort((a, b) => a - b).join(),
        () => `read in the order ${sequences}`,
      );
      for (const { batch } of read) for (const { lines } of batch.batch) idsOf(lines);
      const expected = scan.entries.map(({ sequence }) => sequence);
      promise(sequences.join() === expected.join(), () => `read ${sequences}, whole are ${expected}`);
      coversAll(
        input,
        0,
        [...scan.entries.map(({ end, bytes }) => ({ start: end - bytes, end })), ...scan.damage],
        scan.tornBytes,
      );
      promise(scan.damage.length === 0 || (places > 0 && said.length > 0), () => 'nobody is told of the damage');
      // Sequences go up: an entry that stands after a later one was copied there.
      let left = Array.from({ length: MAX_SEQUENCES }, (_, sequence) => seedOf(sequence));
      const whole = wholeInPlace(
        input,
        0,
        () => left,
        (seed) => {
          left = left.slice(left.indexOf(seed) + 1);
        },
      );
      for (const start of whole) {
        promise(
          scan.entries.some(({ end, bytes }) => end - bytes === start),
          () => `the whole entry at ${start} is not read`,
        );
      }
    } finally {
      removeTemporaryFolder(stateDir);
    }
  },
};

function makeKeys(random: Random): Buffer {
  const isOlder = random.chance(0.2);
  const entries = Array.from({ length: random.int(1, 4) }, (_, i) => {
    const note = { key: `k${i}`, bodyHash: 'h', answer: '{"accepted":1}', time: TIME };
    if (isOlder) return bytesOf(encodeEntry({ seq: 0, keys: [note] }, []).buffers, 0);
    const records = Buffer.from(Array.from({ length: RECORD_BYTES * random.int(1, 5) }, () => random.int(0, 255)));
    for (let at = 40; at < records.length; at += RECORD_BYTES) records.writeDoubleLE(TIME, at);
    return bytesOf(encodeEntry({ seq: 0, keys: [], now: TIME }, [records, Buffer.from('\n')]).buffers, 0);
  });
  return Buffer.concat(entries);
}

function makeAnswers(random: Random): Buffer {
  const answers = Array.from({ length: random.int(1, 4) }, (_, place) => [
    place,
    random.int(0, 2 ** 32 - 1),
    `{"accepted":${place}}`,
  ]);
  return bytesOf(encodeEntry({ seq: 0, answers }, []).buffers, 0);
}

/** The first byte says which file it is: the one of the keys or that of the answers. */
export const keysTarget: FuzzTarget = {
  name: 'keys',
  runsPerSecond: 250,
  make: (random) => {
    const kind = random.pick(['K', 'A']);
    // Now and then a copy of the one in the place of the other.
    const make = (kind === 'K') !== random.chance(0.1) ? makeKeys : makeAnswers;
    return Buffer.concat([Buffer.from(kind), make(random)]);
  },
  async check(input) {
    const stateDir = makeTemporaryFolder('keys');
    try {
      const bytes = input.subarray(1);
      const isAnswers = input[0] === 0x41;
      writeFileSync(
        join(stateDir, 'keys-00000001.log'),
        isAnswers
          ? bytesOf(
              encodeEntry({ seq: 0, keys: [], now: TIME }, [Buffer.alloc(RECORD_BYTES, 1), Buffer.from('\n')]).buffers,
              0,
            )
          : bytes,
      );
      if (isAnswers) writeFileSync(join(stateDir, 'answers-00000001.log'), bytes);
      const keys = new IdempotencyKeys({ windowMs: 1e9, maxKeys: 1_000 }, { clock: () => TIME, elapsed: () => 0 });
      const damaged = await keys.load(stateDir);
      keys.begin({ warn: () => undefined });
      keys.size();
      // There is no journal, so the file was written to its end.
      const { damage } = asWhole(isAnswers ? scanAnswers(bytes) : scanKeys(bytes), bytes);
      const told = isAnswers ? damaged.answers : damaged.keys;
      promise(damage.length === 0 || told.length === 1, () => 'nobody is told of the damage');
      promise(readdirSync(stateDir).length <= 2, () => 'reading made a file');
    } finally {
      removeTemporaryFolder(stateDir);
    }
  },
};
