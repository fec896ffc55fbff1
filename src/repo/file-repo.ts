import { setTimeout as sleep } from 'node:timers/promises';
import { DamageReport, type DamageReportOptions } from '../disk/damage-report.ts';
import { describeDamage } from '../disk/damaged-files.ts';
import { diskFileSystem } from '../disk/file-system.ts';
import { GroupCommit, nextTurn } from '../disk/group-commit.ts';
import { type Batch, countBytes } from '../model/chunk.ts';
import { elapsedClock, systemClock } from '../model/clock.ts';
import { type CommitNote, type Deliver, type Durability, type Receipt, UnavailableError } from '../model/deliver.ts';
import type { StreamHour } from '../model/hour.ts';
import { Committer } from './commit.ts';
import { INLINE } from './committer-options.ts';
import { createCompaction } from './compaction.ts';
import { DataFiles } from './data-files.ts';
import type { FileRepoOptions } from './file-repo-options.ts';
import { checkFreeSpace } from './free-space.ts';
import { IdempotencyKeys, NOTHING_LOADED } from './idempotency-keys.ts';
import { MANY_HOURS, prepareManyHours } from './many-hours.ts';
import { isFolder, Opening } from './opening.ts';
import type { Pending } from './pending.ts';
import { nothingToRecover, recover } from './recovery.ts';
import { refuseWaiting } from './refuse-waiting.ts';
import type { ChangedHour, CommittedHour, HourDamage, Repo } from './repo.ts';
import { createRetention } from './retention.ts';
import type { CommittedState } from './state.ts';
import { SYNC_EVERY_BYTES } from './unsynced-files.ts';
import { WAITING_LIMITS } from './waiting-lines.ts';

/** A commit group takes no more, so that its first batch does not wait for all that came later. */
const MAX_COMMIT_BYTES = 32 * 1024 * 1024;
const RETRY_AFTER_SECONDS = 5;

/**
 * Recovers what the last run left and owns the folders until `close`. DirectoryInUseError when another process does. On
 * a disk that cannot be written it opens nevertheless: what was stored can be read, batches are refused, and it tries
 * again with each of them.
 */
export async function openRepo(options: FileRepoOptions): Promise<Repo> {
  const { logsDir, dlqDir, stateDir, alsoOwn = [], log, metrics, clock = systemClock } = options;
  const { files = diskFileSystem } = options;
  const elapsed = options.elapsed ?? (clock === systemClock ? elapsedClock : clock);
  const durable = options.durability === 'disk';
  const opening = await Opening.begin({ files, folders: [stateDir, logsDir, dlqDir, ...alsoOwn], durable, log });
  try {
    const dataFiles = new DataFiles({ logsDir, dlqDir });
    const keys = new IdempotencyKeys(options.idempotency, { clock, elapsed });
    const isNew = !isFolder(stateDir);
    const loadedKeys = isNew ? NOTHING_LOADED : await keys.load(stateDir);
    const count: DamageReportOptions['count'] = (kind, places) => metrics.storageDamage.labels(kind).inc(places);
    const report = new DamageReport({ stateDir, count, clock, log });
    const maxCommitBytes = Math.max(MAX_COMMIT_BYTES, options.maxBatchBytes ?? 0);
    const found = { stateDir, logsDir, dataFiles, keys, loadedKeys };
    const beginsGenerations = options.beginsGenerations ?? false;
    const recovered = isNew
      ? nothingToRecover({ files, logsDir, log })
      : await recover({ files, ...found, durable, maxCommitBytes, report, log, beginsGenerations });
    keys.begin(log);
    await opening.afterwards('restore the data files', recovered.mend);
    const committer = await Committer.open({
      files,
      stateDir,
      dataFiles,
      durable,
      maxOpenFiles: options.maxOpenFiles ?? 512,
      segmentBytes: options.segmentBytes ?? 64 * 1024 * 1024,
      inline: options.inline ?? INLINE,
      syncEveryBytes: options.syncEveryBytes ?? SYNC_EVERY_BYTES,
      compressionOf: options.compressionOf ?? (() => 'none'),
      waiting: options.waiting ?? WAITING_LIMITS,
      report,
      keys,
      recovered,
      opening,
      metrics,
      clock,
      log,
    });
    const failure = opening.failure ?? committer.startFailure;
    const message = 'the storage cannot be written; batches are refused until it can';
    if (failure !== undefined) log.error(message, { stateDir, err: failure });
    return new FileRepo({ options, committer, dataFiles, keys, state: recovered.state, opening, failure });
  } catch (error) {
    opening.release();
    throw error;
  }
}

interface Waiting extends Pending {
  readonly since: number;
  readonly bytes: number;
  resolve(receipt: Receipt): void;
  reject(error: unknown): void;
}

class FileRepo implements Repo {
  readonly #options: FileRepoOptions;
  readonly #committer: Committer;
  readonly #dataFiles: DataFiles;
  readonly #keys: IdempotencyKeys;
  readonly #state: CommittedState;
  readonly #opening: Opening;
  readonly #receipt: Receipt;
  readonly #commits: GroupCommit<Waiting>;
  readonly #appendManyHours: Deliver;
  readonly retention: Repo['retention'];
  readonly compaction: Repo['compaction'];
  #probe: Promise<void> | undefined;
  #lastFailure: unknown;
  #closed: Promise<void> | undefined;
  #frameTimer: NodeJS.Timeout | undefined;

  constructor(parts: {
    readonly options: FileRepoOptions;
    readonly committer: Committer;
    readonly dataFiles: DataFiles;
    readonly keys: IdempotencyKeys;
    readonly state: CommittedState;
    readonly opening: Opening;
    readonly failure: unknown;
  }) {
    this.#options = parts.options;
    this.#committer = parts.committer;
    this.#dataFiles = parts.dataFiles;
    this.#keys = parts.keys;
    this.#state = parts.state;
    this.#opening = parts.opening;
    this.#lastFailure = parts.failure;
    this.#receipt = { durability: parts.options.durability satisfies Durability };
    this.#commits = new GroupCommit({
      limits: [{ weigh: ({ bytes }) => bytes, max: () => MAX_COMMIT_BYTES }],
      // Requests that were read in the same turn of the event loop share the first commit.
      gather: (isFirst) => (isFirst ? nextTurn() : undefined),
      commit: (group) => this.#commitGroup(group),
    });
    this.#appendManyHours = prepareManyHours({
      ...parts,
      deliver: (batch, note = {}) => this.#append(batch, note),
      between: (work) => this.#commits.between(work),
      isClosing: () => this.#closed !== undefined,
    });
    const between = <T>(work: () => Promise<T>): Promise<T> => this.#betweenCommits(work);
    const { files = diskFileSystem, durability } = parts.options;
    this.retention = createRetention({ ...parts, files, between });
    this.compaction = createCompaction({ ...parts, files, durable: durability === 'disk', between, pause: sleep });
  }

  readonly append: Deliver = (batch, note = {}) => {
    if (batch.length > MANY_HOURS) return this.#appendManyHours(batch, note);
    return this.#append(batch, note);
  };

  #append(batch: Batch, note: CommitNote): Promise<Receipt> {
    if (this.#closed !== undefined)
      return Promise.reject(new UnavailableError('storage is closing', RETRY_AFTER_SECONDS));
    return new Promise((resolve, reject) => {
      this.#commits.add({ batch, note, since: performance.now(), bytes: countBytes(batch), resolve, reject });
      this.#options.metrics.queueDepth.set(this.#commits.waiting);
    });
  }

  #betweenCommits<T>(work: () => Promise<T>): Promise<T> {
    const isClosed = this.#closed !== undefined;
    return isClosed ? Promise.reject(new Error('storage is closing')) : this.#commits.between(work);
  }

  get idempotency(): Repo['idempotency'] {
    return this.#keys;
  }

  position(source: string): string | undefined {
    return this.#state.position(source);
  }

  offsets(): ReturnType<Repo['offsets']> {
    return this.#state.offsets();
  }

  hasBatchId(batchId: string): boolean {
    return this.#state.hasBatchId(batchId);
  }

  changedHours(): readonly ChangedHour[] {
    const { hours, missing } = this.#committer.hours.changed();
    for (const hour of missing) this.#committer.advanceSummaryCursor(hour, 0);
    return hours;
  }

  advanceSummaryCursor(hour: StreamHour, bytes: number): void {
    this.#committer.advanceSummaryCursor(this.#dataFiles.ofHour(hour), bytes);
  }

  async committedHour(wanted: StreamHour): Promise<CommittedHour | undefined> {
    const reference = this.#dataFiles.ofHour(wanted);
    if (this.#state.removed.has(reference)) return undefined;
    // A reader must neither miss what a failed sync lost, nor read bytes that were never there.
    const { hours } = this.#committer;
    if (hours.mustBeRestored(reference)) await this.#commits.between(() => this.#committer.restore());
    return hours.find(reference);
  }

  async checkWritable(): Promise<void> {
    if (this.#closed !== undefined) throw new Error('storage is closing');
    const { logsDir, stateDir, dlqDir } = this.#options;
    // Before the folders: the probe makes those that could not be made at the start, or a state folder that was deleted.
    if (this.#opening.failure !== undefined || !this.#committer.isJournalInPlace) await this.#probeStorage();
    await checkFreeSpace([logsDir, stateDir, dlqDir]);
    if (this.#lastFailure !== undefined) await this.#probeStorage();
  }

  reportDamage(hour: StreamHour, damage: HourDamage): Promise<void> {
    return this.#committer.hours.reportDamage(this.#dataFiles.ofHour(hour), damage);
  }

  damage(): Promise<string | undefined> {
    return describeDamage(this.#options.stateDir);
  }

  close(): Promise<void> {
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  async #finish(): Promise<void> {
    clearTimeout(this.#frameTimer);
    await this.#probe?.catch(() => undefined);
    await this.#commits.idle();
    try {
      await this.#committer.close();
    } finally {
      this.#opening.release();
    }
  }

  /** After a failed commit, only a write can tell whether storage works again. */
  async #probeStorage(): Promise<void> {
    this.#probe ??= this.#commits
      .between(() => this.#committer.probe())
      .then(
        () => {
          this.#lastFailure = undefined;
        },
        (error: unknown) => {
          this.#lastFailure = error;
        },
      )
      .finally(() => {
        this.#probe = undefined;
      });
    await this.#probe;
    if (this.#lastFailure !== undefined) throw this.#lastFailure;
  }

  async #commitGroup(group: readonly Waiting[]): Promise<void> {
    const { metrics } = this.#options;
    metrics.queueDepth.set(this.#commits.waiting);
    const left = refuseWaiting(group, { ...this.#options, dataFiles: this.#dataFiles, removed: this.#state.removed });
    if (left.length > 0) await this.#commit(left);
    this.#watchWaiting();
    metrics.openFiles.set(this.#committer.openFiles);
    metrics.journalBytes.set(this.#committer.journalBytes);
  }

  /** Lines that wait become a frame when no more come, which no commit sees. */
  #watchWaiting(): void {
    if (this.#frameTimer !== undefined || !this.#committer.hasWaiting || this.#closed !== undefined) return;
    this.#frameTimer = setTimeout(
      () => {
        this.#frameTimer = undefined;
        if (this.#closed !== undefined) return;
        void this.#commits.between(() => this.#committer.writeFrames()).finally(() => this.#watchWaiting());
      },
      (this.#options.waiting ?? WAITING_LIMITS).ms / 4,
    ).unref();
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    try {
      await this.#committer.commit(group);
      this.#lastFailure = undefined;
      for (const waiting of group) waiting.resolve(this.#receipt);
    } catch (error) {
      // One batch at fault (an hour that cannot be written) must not make the others fail.
      if (group.length > 1) for (const waiting of group) await this.#commit([waiting]);
      else this.#refuse(group, error);
    }
  }

  #refuse(group: readonly Waiting[], cause: unknown): void {
    const { metrics, log } = this.#options;
    this.#lastFailure = cause;
    metrics.storageFailures.inc();
    log.error('cannot store a batch; files are back at their committed length', { err: cause });
    const reason = cause instanceof Error ? cause.message : String(cause);
    for (const waiting of group) {
      waiting.reject(new UnavailableError(`cannot store the batch: ${reason}`, RETRY_AFTER_SECONDS, { cause }));
    }
  }
}
