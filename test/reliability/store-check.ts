import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DAY, readNumbers } from '../support/batch-maker.ts';
import type { SentBatches } from '../support/sent-batches.ts';
import type { Dirs } from '../support/service.ts';
import { folderOf, listVisible } from '../support/storage.ts';
import { createCompressedReader, createStoreReader } from '../support/store-reader.ts';
import { STREAMS, type TestStream } from '../support/streams.ts';
import type { Workload } from '../support/workload.ts';

/**
 * Holds the stored lines against the batches that were sent: each line equals the line that was expected, byte for byte, in the hour of its
 * timestamp and the folder of its stream; records of a batch and batches of a connection stand in the order in which they were sent; and by SentBatches each
 * acknowledged record is there once. Dead letters count as records of their batch, and name its stream.
 */
export interface StoreCheck {
  /** Reads what is new, when no request is in flight. `settled`: all that was acknowledged must be there. */
  readNew(options?: { readonly settled: boolean }): Promise<string[]>;
  /** The next call reads everything again. */
  startOver(): void;
  /** Lines that were damaged on purpose: they may be missing, or changed. */
  allowDamage(lines: readonly string[]): void;
  /** Lines that were damaged so far. */
  damagedLines(): number;
  /** Batches may be stored again, so the order of lines is not checked any more. */
  allowRepeats(): void;
  /** Records of access that were found, by hour `2015-05-17T10:00:00Z`: only those of the load. */
  lines(): ReadonlyMap<string, number>;
}

const MAX_PROBLEMS = 20;

// Long: functions that share what was read so far.
export function createStoreCheck(parts: {
  readonly dirs: Dirs;
  readonly sent: SentBatches;
  readonly workload: Pick<Workload, 'compare' | 'placeOf' | 'streamOf'>;
  readonly keepsOrder: boolean;
}): StoreCheck {
  const { dirs, sent, workload, keepsOrder } = parts;
  let readers = openReaders();
  let order = createOrderCheck(workload);
  const letterOffsets = new Map<string, number>();
  let problems: string[] = [];
  let damagedLines = 0;
  let hasRepeats = false;
  let strangeLines = 0;

  function openReaders() {
    return STREAMS.map((stream) => {
      const readCompressed = createCompressedReader({ dirs, stream });
      return { stream, reader: createStoreReader(folderOf(dirs.logs, stream), { days: [DAY], readCompressed }) };
    });
  }

  function complain(text: string): void {
    if (problems.length < MAX_PROBLEMS) problems.push(text);
  }

  /** A damaged newline joins two lines, a damaged byte can become one: so a damaged line makes up to two strange ones. */
  function noteStrange(problem: string): void {
    strangeLines++;
    if (strangeLines > 2 * damagedLines) complain(problem);
  }

  /** A tail that was cut off leaves half a line, until the next record of that hour ends it. */
  function noteHalfLine(problem: string): void {
    if (damagedLines === 0) complain(problem);
  }

  function checkLine(stream: TestStream, hour: string, line: string): void {
    let numbers: ReturnType<typeof readNumbers>;
    try {
      numbers = readNumbers(line);
    } catch (error) {
      noteStrange(String(error));
      return;
    }
    const { batch, index } = numbers;
    const expected = workload.compare(line, batch, index);
    if (expected !== true) {
      noteStrange(`record ${index} of batch ${batch} is stored as\n  ${line}\nand should be\n  ${expected}`);
      return;
    }
    const sentTo = workload.streamOf(batch);
    if (sentTo !== stream) complain(`a record that was sent to ${sentTo} stands in the file of ${stream}: ${line}`);
    if (line.slice(14, 27) !== hour.slice(0, 13)) complain(`a record stands in the file of hour ${hour}: ${line}`);
    sent.found(batch, index);
    const problem =
      keepsOrder && damagedLines === 0 && !hasRepeats ? order.next(`${stream} ${hour}`, batch, index) : undefined;
    if (problem !== undefined) complain(problem);
  }

  async function readLetters(): Promise<void> {
    for (const name of await listVisible(dirs.dlq)) {
      const bytes = await readFile(join(dirs.dlq, name));
      const offset = letterOffsets.get(name) ?? 0;
      if (bytes.length < offset) complain(`the dead letters ${name} shrank from ${offset} to ${bytes.length} bytes`);
      if (bytes.length > 0 && bytes.at(-1) !== 10) complain(`the dead letters ${name} end in half a line`);
      for (const line of bytes.toString('utf8', offset).split('\n')) if (line !== '') checkLetter(line);
      letterOffsets.set(name, bytes.length);
    }
  }

  function checkLetter(line: string): void {
    try {
      const {
        record,
        raw,
        stream = 'access',
      } = JSON.parse(line) as { [Field in 'record' | 'raw' | 'stream']?: unknown };
      const text = record === undefined ? String(raw) : JSON.stringify(record);
      const match = /(?:"b":(\d+),"i":|,(\d+),)(\d+)\}?$/.exec(text);
      // Hostile clients have letters of their own.
      if (match === null) return;
      const batch = Number(match[1] ?? match[2]);
      const sentTo = workload.streamOf(batch);
      if (sentTo !== stream) complain(`a dead letter of ${sentTo} names the stream ${stream}: ${line}`);
      sent.found(batch, Number(match[3]));
    } catch {
      noteStrange(`a dead letter is not JSON: ${line}`);
    }
  }

  function startOver(): void {
    readers = openReaders();
    order = createOrderCheck(workload);
    letterOffsets.clear();
    strangeLines = 0;
    sent.recount();
  }

  return {
    async readNew({ settled } = { settled: true }) {
      problems = [];
      try {
        for (const { stream, reader } of readers) {
          await reader.readNew((hour, line) => checkLine(stream, hour, line), noteHalfLine);
        }
        await readLetters();
      } catch (error) {
        complain(error instanceof Error ? error.message : String(error));
      }
      return settled ? [...problems, ...sent.check()] : problems;
    },
    startOver,
    allowDamage(lines) {
      for (const line of lines) {
        damagedLines++;
        const { batch, index } = readNumbers(line);
        sent.damaged(batch, index);
      }
      startOver();
    },
    damagedLines: () => damagedLines,
    allowRepeats() {
      hasRepeats = true;
    },
    lines: () => readers[0]?.reader.lines() ?? new Map(),
  };
}

/** Order in an hour file: of the records of one batch, and of the batches that one connection sent. */
function createOrderCheck({ placeOf }: Pick<Workload, 'placeOf'>) {
  const lastIndex = new Map<string, number>();
  const lastPlace = new Map<string, number>();
  return {
    next(hour: string, batch: number, index: number): string | undefined {
      const inBatch = `${hour} ${batch}`;
      const before = lastIndex.get(inBatch) ?? -1;
      lastIndex.set(inBatch, index);
      if (index < before) return `${hour}: record ${index} of batch ${batch} stands after record ${before}`;
      const sentAt = placeOf(batch);
      if (sentAt === undefined) return undefined;
      const onConnection = `${hour} ${sentAt.connection}`;
      const last = lastPlace.get(onConnection) ?? -1;
      lastPlace.set(onConnection, sentAt.place);
      return sentAt.place < last
        ? `${hour}: batch ${batch} stands after a batch that its connection sent later`
        : undefined;
    },
  };
}
