import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { FileFormat } from '../decode/decode.ts';
import { createBoundary } from '../decode/framing.ts';
import { type Checkpoint, openCheckpoint } from '../inputs/files/checkpoint.ts';
import type { DeliverSlice, Slice } from '../inputs/files/files.ts';
import { createFollower } from '../inputs/files/follow.ts';
import type { Follower } from '../inputs/files/follower.ts';
import type { Input } from '../inputs/inputs.ts';
import { systemClock } from '../model/clock.ts';
import type { Deliver } from '../model/deliver.ts';
import { createIngest } from '../service/ingest.ts';
import { untilAvailable } from '../service/intake.ts';
import { createExclusion } from './files/exclusion.ts';
import { createLocalDelivery } from './files/local-delivery.ts';
import { createOpenReading, type ReadAs } from './files/read-as.ts';
import { createPatience, type FlowCounts, type FlowParts } from './input-flow.ts';
import { createDecodersOf, decodeLimits, mapsOf, maxFutureOf, streamOf } from './streams.ts';

export type FileInputConfig = Config['inputs'][number];

export interface FileInputParts extends FlowParts {
  /** How far a file is stored, as committed with its records. */
  readonly positionOf: (source: string) => string | undefined;
}

/** Of the stop: for giving up what cannot be stored in time. */
const GIVE_UP_MS = 200;

/** The input that follows files. What it has read and not stored when the time of a stop is over, it reads again at the next start. */
export function createFileInput(parts: FileInputParts, input: FileInputConfig, counts: FlowCounts): Input {
  parts.metrics.inputMaxInFlightBytes.labels(input.name).set(input.maxInFlightBytes);
  return new FileInput(parts, input, counts);
}

class FileInput implements Input {
  readonly name: string;
  readonly #parts: FileInputParts;
  readonly #input: FileInputConfig;
  readonly #deliver: DeliverSlice;
  readonly #over = new AbortController();
  /** Why a file cannot be read, by its path. */
  readonly #faults = new Map<string, string>();
  #checkpoint: Checkpoint | undefined;
  #follower: Follower | undefined;
  #failure: unknown = new Error('it is not open yet');

  constructor(parts: FileInputParts, input: FileInputConfig, counts: FlowCounts) {
    this.name = input.name;
    this.#parts = parts;
    this.#input = input;
    this.#deliver = createDelivery(parts, input, counts, this.#over.signal);
  }

  async start(): Promise<string> {
    const { config, log } = this.#parts;
    const { name, paths, stream, from, maxInFlightBytes } = this.#input;
    const { storage } = config;
    const folder = join(storage.stateDir, 'inputs');
    mkdirSync(folder, { recursive: true });
    const warn = (message: string) => log.warn(message, { input: name, fold: message });
    this.#checkpoint = await openCheckpoint(join(folder, `${name}.checkpoint`), { stream, warn });
    try {
      this.#follower = createFollower({
        patterns: paths,
        checkpoint: this.#checkpoint,
        open: createOpenReading(streamOf(config, stream), readAs(this.#input, config)),
        createBoundary,
        deliver: this.#deliver,
        exclude: createExclusion([storage.logsDir, storage.analyticsDir, storage.stateDir, storage.dlqDir]),
        from,
        maxInFlightBytes,
        report: this,
      });
      await this.#follower.start();
    } catch (error) {
      await this.stop(GIVE_UP_MS).catch(() => undefined);
      throw error;
    }
    this.#failure = undefined;
    return paths.join(', ');
  }

  async stop(graceMs: number): Promise<void> {
    this.#failure = new Error('it is stopping');
    try {
      await this.#follower?.stop(graceMs - GIVE_UP_MS);
    } catch (error) {
      this.#over.abort(error);
      throw error;
    } finally {
      await this.#checkpoint?.close();
    }
  }

  async check(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
  }

  detail(): string {
    const [first] = this.#faults;
    return first === undefined ? 'ok' : `${first[0]}: ${first[1]}`;
  }

  async refresh(): Promise<void> {
    if (this.#follower === undefined) return;
    const { metrics } = this.#parts;
    const { files, lagBytes, inFlightBytes } = this.#follower.counts();
    metrics.inputConnections.labels(this.name).set(files);
    metrics.inputInFlightBytes.labels(this.name).set(inFlightBytes);
    metrics.inputLagBytes.labels(this.name).set(lagBytes);
  }

  delivered({ name, from, to }: Slice): void {
    this.#parts.metrics.inputBytes.labels(this.name).inc(to - from);
    this.#faults.delete(name);
  }

  warn(path: string, message: string): void {
    this.#parts.log.warn(message, { input: this.name, path, fold: path });
  }

  fault(path: string, err: Error): void {
    if (this.#faults.size < MAX_FAULTS) this.#faults.set(path, err.message);
    this.#parts.log.warn('a file cannot be read', { input: this.name, path, err, fold: path });
  }
}

const MAX_FAULTS = 100;

function createDelivery(
  parts: FileInputParts,
  { name, stream, map }: FileInputConfig,
  { accounting, tally }: FlowCounts,
  signal: AbortSignal,
): DeliverSlice {
  const { config, schemas, firstHours, metrics, positionOf } = parts;
  const patience = createPatience(parts, name, signal);
  const deliver: Deliver = (batch, note) => untilAvailable(() => parts.deliver(batch, note), patience);
  const isDirect = config.pipeline === 'direct';
  return createLocalDelivery({
    ingest: createIngest({
      decodersOf: createDecodersOf(config, schemas),
      firstHour: firstHours.of,
      maxFutureMs: maxFutureOf(config),
      decode: { ...decodeLimits(config), invalid: 'skip', isBlock: true },
      deliver,
      delivered: isDirect ? 'stored' : 'handed_over',
      accounting,
      tally,
      metrics,
      clock: systemClock,
    }),
    stream,
    source: `input:${name}`,
    map: map === '' ? undefined : map,
    positionOf,
    remember: isDirect ? 'position' : 'key',
    onRecords: (count) => metrics.inputRecords.labels(name).inc(count),
  });
}

/** `json` is a line of JSON, as for the other inputs; `auto` recognises what a file is. */
function readAs({ format, zone, fields, map }: FileInputConfig, config: Config): ReadAs {
  const named = format === 'json' ? 'ndjson' : format === 'auto' ? undefined : (format as FileFormat);
  return { format: named, zone: zone === 'arrival' ? 0 : zone, fields, map: mapsOf(config).get(map) };
}
