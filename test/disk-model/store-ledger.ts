import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Batch } from '../../src/model/chunk.ts';
import type { CommitNote } from '../../src/model/deliver.ts';
import { type Hour, type HourKey, hourKey, hourToPath, MIN_HOUR, type StreamHour } from '../../src/model/hour.ts';
import { MANY_HOURS } from '../../src/repo/many-hours.ts';
import type { Repo } from '../../src/repo/repo.ts';
import { readHourFile } from '../support/hour-files.ts';

/*
 * The plain model of the store: what was sent, what became of it, and what a start must find.
 */

export interface BatchPlan {
  /** Hours, counted from the first of the history. */
  readonly hours: readonly number[];
  /** In each of the hours records of each of these. Absent: of access. */
  readonly streams?: readonly string[];
  readonly records: number;
  /** Bytes of each line, about. */
  readonly size: number;
  readonly key: 'none' | 'counts' | 'long answer';
  readonly hasOffset: boolean;
  readonly hasLetter: boolean;
}

type Fate =
  | 'running'
  | 'acknowledged'
  /** Refused, and nothing was acknowledged since. The journal may still hold its entry. */
  | 'refused'
  | 'unknown'
  | 'stored'
  | 'absent';

interface Sent {
  readonly id: number;
  readonly plan: BatchPlan;
  readonly batch: Batch;
  readonly note: CommitNote;
  readonly time: number;
  fate: Fate;
}

export const FIRST_HOUR: Hour = 489_000;
const TOPIC = 'logs';
/** Of all batches. */
export const MODEL_STREAMS = ['access', 'events', 'audit'] as const;
const LETTER_DAY = Date.UTC(2025, 10, 22);

export class StoreLedger {
  readonly #sent: Sent[] = [];
  /** What the files had at the last start that was checked. */
  readonly #settled = new Map<string, Buffer>();
  /** How far the aggregator has read. */
  readonly #cursors = new Map<HourKey, number>();
  readonly #windowMs: number;
  /** Of each stream the first hour that certainly, and that at most, takes records. */
  readonly #leastFirst = new Map<string, Hour>();
  readonly #mostFirst = new Map<string, Hour>();
  #newestSeq = -1;
  /** A power cut took what was only in the page cache, and nothing more is promised of it. */
  isVoid = false;

  constructor(options: { readonly windowMs: number }) {
    this.#windowMs = options.windowMs;
  }

  send(drawn: BatchPlan, time: number): Sent {
    const id = this.#sent.length;
    const streams = drawn.streams ?? ['access'];
    const hours = [...new Set(drawn.hours)].flatMap((hour) =>
      streams.map((stream) => ({ stream, hour: FIRST_HOUR + hour })),
    );
    // A batch over many hours may be stored after later ones, so its offset would go back.
    const plan = { ...drawn, hasOffset: drawn.hasOffset && hours.length <= MANY_HOURS };
    const batch = hours.map((hour) => ({ ...hour, count: plan.records, lines: linesOf(id, hour, plan) }));
    const note: CommitNote = {
      batchIds: [`p:${id}`],
      ...(plan.key !== 'none' && {
        idempotency: { key: `key-${id}`, bodyHash: `body-${id}`, answer: answerOf(id, plan), time },
      }),
      ...(plan.hasOffset && { offsets: [{ topic: TOPIC, partition: 0, next: String(id + 1) }] }),
      ...(plan.hasLetter && {
        deadLetters: [{ time: LETTER_DAY, stage: 'ingest', reason: 'test', raw: `letter-${id}`, source: 'model' }],
      }),
    };
    const sent: Sent = { id, plan, batch, note, time, fate: 'running' };
    this.#sent.push(sent);
    return sent;
  }

  acknowledged(sent: Sent): void {
    sent.fate = 'acknowledged';
    // A commit after the refusal: the journal has given up what was refused.
    for (const other of this.#sent) if (other.fate === 'refused') other.fate = 'absent';
  }

  stoppedInOrder(): void {
    for (const sent of this.#sent) if (sent.fate === 'refused') sent.fate = 'absent';
  }

  summarise(repo: Repo): void {
    for (const committed of repo.changedHours()) {
      const { bytes } = committed;
      this.#cursors.set(hourKey(committed), bytes);
      repo.advanceSummaryCursor(committed, bytes);
    }
  }

  /** `hour` counts from the first of the history. Whether it will be removed is not known yet. */
  beginRemoval(stream: string, hour: number): StreamHour {
    const at = { stream, hour: FIRST_HOUR + hour };
    this.#mostFirst.set(stream, Math.max(at.hour + 1, this.#mostFirst.get(stream) ?? MIN_HOUR));
    return at;
  }

  removed({ stream, hour }: StreamHour): void {
    this.#leastFirst.set(stream, Math.max(hour + 1, this.#leastFirst.get(stream) ?? MIN_HOUR));
  }

  /** What is removed stays removed, and nothing else is. */
  #checkRemovals(repo: Repo): void {
    for (const stream of MODEL_STREAMS) {
      const first = repo.retention.firstHour(stream);
      const [least, most] = [this.#leastFirst.get(stream) ?? MIN_HOUR, this.#mostFirst.get(stream) ?? MIN_HOUR];
      if (first < least || first > most)
        throw new Error(`the first hour of ${stream} is ${first}, not between ${least} and ${most}`);
      this.#leastFirst.set(stream, first);
      this.#mostFirst.set(stream, first);
    }
  }

  #isRemoved({ stream, hour }: StreamHour): boolean {
    return hour < (this.#leastFirst.get(stream) ?? MIN_HOUR);
  }

  /** Compares what a start has found with what it must find. From then on that is settled. */
  check(repo: Repo, folders: { readonly logsDir: string; readonly dlqDir: string }, time: number): void {
    this.#checkRemovals(repo);
    const found = this.#checkFiles(folders);
    for (const sent of this.#sent) this.#settle(sent, found.get(sent.id) ?? 0, repo.hasBatchId(`p:${sent.id}`));
    this.#checkNotes(repo, time);
    const listed = new Set(repo.changedHours().map(hourKey));
    for (const [key, bytes] of this.#lengths(folders.logsDir)) {
      if (bytes !== (this.#cursors.get(key) ?? 0) && !listed.has(key))
        throw new Error(`the aggregator is not told of hour ${key}: ${bytes} bytes, read to ${this.#cursors.get(key)}`);
    }
  }

  /** The number of the newest entry of the journal, as a start has it. */
  checkSequence(seq: number): void {
    if (seq < this.#newestSeq) throw new Error(`the sequence went back from ${this.#newestSeq} to ${seq}`);
    this.#newestSeq = seq;
  }

  keysInWindow(time: number): number {
    return this.#sent.filter((sent) => sent.plan.key !== 'none' && time - sent.time <= this.#windowMs).length;
  }

  /** How many of its chunks each batch has in the files. */
  #checkFiles({ logsDir, dlqDir }: { readonly logsDir: string; readonly dlqDir: string }): Map<number, number> {
    const found = new Map<number, number>();
    const add = (id: number): void => void found.set(id, (found.get(id) ?? 0) + 1);
    for (const [path, { stream, hour }] of this.#hourFiles(logsDir)) {
      const content = readHourFile(path);
      const name = path.slice(logsDir.length).replace(/\.zst$/, '');
      this.#checkPrefix(name, content);
      let newest = -1;
      for (let at = 0; at < content.length; ) {
        const id = Number(/^\{"b":(\d+),/.exec(content.toString('latin1', at, at + 32))?.[1] ?? -1);
        const sent = this.#sent[id];
        const lines = sent?.batch.find((chunk) => chunk.hour === hour && chunk.stream === stream)?.lines;
        if (lines === undefined || !content.subarray(at, at + lines.length).equals(lines))
          throw new Error(`${name} has bytes at ${at} that are not a whole batch: ${show(content, at)}`);
        // Batches over many hours may be stored after later ones.
        const isOrdered = (sent?.batch.length ?? 0) <= MANY_HOURS;
        if (isOrdered && id <= newest) throw new Error(`${name} has batch ${id} after batch ${newest}`);
        if (isOrdered) newest = id;
        add(id);
        at += lines.length;
      }
    }
    for (const name of fs.readdirSync(dlqDir).filter((entry) => entry.endsWith('.ndjson'))) {
      const content = fs.readFileSync(join(dlqDir, name));
      this.#checkPrefix(name, content);
      for (const line of content.toString().split('\n').slice(0, -1)) {
        const { raw } = JSON.parse(line) as { readonly raw: string };
        add(Number(raw.slice('letter-'.length)));
      }
    }
    return found;
  }

  /** Lines keep their places: no address is given to two records. */
  #checkPrefix(name: string, content: Buffer): void {
    const before = this.#settled.get(name);
    if (before !== undefined && !content.subarray(0, before.length).equals(before))
      throw new Error(`${name} has changed before byte ${before.length}; it has ${content.length} bytes`);
    this.#settled.set(name, content);
  }

  #settle(sent: Sent, chunks: number, isKnown: boolean): void {
    const whole = sent.batch.filter((chunk) => !this.#isRemoved(chunk)).length + (sent.plan.hasLetter ? 1 : 0);
    if (chunks !== 0 && chunks !== whole) throw new Error(`batch ${sent.id} is there in part: ${chunks} of ${whole}`);
    // Of a batch whose hours are all removed only its id is left.
    const isStored = whole > 0 ? chunks > 0 : isKnown;
    if (isStored && sent.fate === 'absent') throw new Error(`batch ${sent.id} was refused and is stored`);
    if (!isStored && sent.fate === 'acknowledged') throw new Error(`batch ${sent.id} was acknowledged and is lost`);
    if (!isStored && sent.fate === 'stored') throw new Error(`batch ${sent.id} was stored and is lost`);
    sent.fate = isStored ? 'stored' : 'absent';
  }

  #checkNotes(repo: Repo, time: number): void {
    let next: number | undefined;
    for (const { id, plan, note, fate, time: used } of this.#sent) {
      const isStored = fate === 'stored';
      if (isStored && plan.hasOffset) next = id + 1;
      if (repo.hasBatchId(`p:${id}`) !== isStored) throw new Error(`batch-id of batch ${id}: stored=${isStored}`);
      const { idempotency } = note;
      if (idempotency === undefined || Math.abs(time - used - this.#windowMs) < 1_000) continue;
      const known = repo.idempotency.find(idempotency);
      const isValid = isStored && time - used < this.#windowMs;
      if ((known !== undefined) !== isValid) throw new Error(`key of batch ${id}: known=${!isValid}`);
      if (known !== undefined && (known.answer !== idempotency.answer || !known.sameBody))
        throw new Error(`key of batch ${id} answers ${known.answer}`);
    }
    const offset = repo.offsets().find(({ topic }) => topic === TOPIC)?.next;
    if (offset !== (next === undefined ? undefined : String(next)))
      throw new Error(`the offset is ${offset}, not ${next}`);
  }

  /** Without those that retention removed. */
  *#hourFiles(logsDir: string): Generator<[path: string, hour: StreamHour]> {
    for (const stream of MODEL_STREAMS) {
      const folder = stream === 'access' ? logsDir : join(logsDir, stream);
      if (!fs.existsSync(folder)) continue;
      for (let hour = FIRST_HOUR; hour < FIRST_HOUR + 200; hour++) {
        if (this.#isRemoved({ stream, hour })) continue;
        const { day, hh } = hourToPath(hour);
        const path = join(folder, day, `${hh}.log.json`);
        const chosen = chooseForm(path);
        if (chosen !== undefined) yield [chosen, { stream, hour }];
      }
    }
  }

  *#lengths(logsDir: string): Generator<[HourKey, number]> {
    for (const [path, hour] of this.#hourFiles(logsDir)) yield [hourKey(hour), readHourFile(path).length];
  }
}

/** Of an hour that was being compressed the form with more lines counts. */
function chooseForm(path: string): string | undefined {
  const [plain, compressed] = [path, `${path}.zst`].map((one) => (fs.existsSync(one) ? readHourFile(one).length : -1));
  if (plain === undefined || compressed === undefined || (plain < 0 && compressed < 0)) return undefined;
  return compressed >= plain ? `${path}.zst` : path;
}

function linesOf(id: number, { stream, hour }: StreamHour, { records, size }: BatchPlan): Buffer {
  const pad = String.fromCharCode(97 + (id % 26)).repeat(size);
  const lines = Array.from(
    { length: records },
    (_, index) => `{"b":${id},"s":"${stream}","h":${hour},"i":${index},"p":"${pad}"}\n`,
  );
  return Buffer.from(lines.join(''));
}

function answerOf(id: number, { records, key }: BatchPlan): string {
  if (key === 'counts') return `{"accepted":${records}}`;
  return JSON.stringify({ accepted: records, rejected: 1, errors: [`record ${id} is not valid`] });
}

function show(content: Buffer, at: number): string {
  return JSON.stringify(content.toString('latin1', at, at + 60));
}
