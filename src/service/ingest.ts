import { createHash } from 'node:crypto';
import {
  type Decoded,
  type DecodeOptions,
  type Decoders,
  MAX_LISTED_REJECTIONS,
  MalformedBodyError,
  type Rejection,
} from '../decode/decode.ts';
import { rawText } from '../lines/dead-letter.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { formatAnswer } from '../model/answer.ts';
import type { Clock } from '../model/clock.ts';
import { type CommitNote, type DeadLetter, type Deliver, PermanentError, UnavailableError } from '../model/deliver.ts';
import type { FieldMap } from '../model/field-map.ts';
import { type Hour, MIN_HOUR } from '../model/hour.ts';
import { isDefaultStream, type StreamName } from '../model/stream.ts';
import type { Account, Accounting } from './accounting.ts';
import type { KindTally } from './kind-tally.ts';
import type { Ingest, IngestRequest, IngestResult, Rejected, UnreadFrame } from './service.ts';
import { createSteps } from './steps.ts';

export interface IngestOptions {
  /** Of each stream that records may be sent to. */
  readonly decodersOf: (stream: StreamName) => Decoders;
  /** Those that a request may name. */
  readonly maps?: ReadonlyMap<string, FieldMap>;
  /** The first hour of a stream that takes records. Absent: any hour of any stream does. */
  readonly firstHour?: (stream: StreamName) => Hour;
  /** The defaults; a request may ask for another `invalid`. */
  readonly decode: DecodeOptions;
  /** How far in the future a timestamp may be, milliseconds. Absent: as far as it likes. */
  readonly maxFutureMs?: number | undefined;
  readonly deliver: Deliver;
  /** The outcome of a delivered record: `stored` where `deliver` stores, `handed_over` where it queues. */
  readonly delivered: 'stored' | 'handed_over';
  readonly accounting: Pick<Accounting, 'of'>;
  readonly tally: Pick<KindTally, 'examine'>;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** Decodes a body, decides about invalid records, delivers the batch and accounts for its records. */
export function createIngest(options: IngestOptions): Ingest {
  const nextStep = createSteps();

  return async function ingest(request) {
    const begun = performance.now();
    const waited = request.arrival === undefined ? 0 : options.clock() - request.arrival;
    const invalid = request.invalid ?? options.decode.invalid;
    const bodyHash = request.idempotencyKey === undefined ? '' : hashBody(request);
    const skips = invalid !== 'reject';
    let decoded: Decoded;
    try {
      const decoding = beginDecoding(options, request, skips ? 'skip' : 'reject');
      const first = decoding.next();
      decoded = first.done === true ? first.value : await finish(decoding, nextStep);
    } catch (error) {
      throw invalid === 'dead-letter' ? asUnreadable(error) : error;
    }

    const records = decoded.accepted + decoded.rejected + unreadOf(request).length;
    if (records === 0) {
      // A block of blank lines. The one after it must not overtake the one before.
      await request.after;
      return { kind: 'invalid', rejections: [], rejected: 0 };
    }
    const accounting = options.accounting.of(request.stream);
    accounting.receive(records);
    return accounting.inFlight(records, async () => {
      const isRefused = skips ? decoded.accepted === 0 && invalid !== 'dead-letter' : decoded.rejected > 0;
      if (isRefused) {
        accounting.settle('rejected', records);
        return { kind: 'invalid', ...listRejections(decoded) };
      }
      return deliverDecoded(options, request, decoded, { bodyHash, account: accounting, readAt: begun - waited });
    });
  };
}

async function deliverDecoded(
  { deliver, delivered, metrics, clock, tally }: IngestOptions,
  request: IngestRequest,
  decoded: Decoded,
  about: { readonly bodyHash: string; readonly account: Account; readonly readAt: number },
): Promise<IngestResult> {
  const { bodyHash, account, readAt } = about;
  const { accepted, rejected: invalid } = decoded;
  const rejected = invalid + unreadOf(request).length;
  const count = tally.examine(request.format, decoded);
  const answer = answerTo(decoded);
  const note = noteOf(request, decoded, { bodyHash, answer, time: clock() });
  try {
    if (request.after !== undefined) await request.after;
    const receipt = await deliver(decoded.batch, note);
    const replayed = receipt.replay !== undefined;
    account.settle(replayed ? 'duplicate' : delivered, accepted);
    account.settle(replayed ? 'duplicate' : 'dead_lettered', rejected);
    if (!replayed) {
      metrics.logsIngested.inc(accepted);
      metrics.batchRecords.observe(accepted);
      count((performance.now() - readAt) / 1_000);
    }
    const refused = invalid > 0 && !replayed && { refused: listRejections(decoded) };
    const { durability } = receipt;
    return {
      kind: 'accepted',
      answer: receipt.replay ?? answer,
      durability,
      replayed,
      records: accepted + rejected,
      ...refused,
    };
  } catch (error) {
    const comesInParts = request.invalid === 'dead-letter' && error instanceof PermanentError;
    if (comesInParts) account.takeBack(accepted + rejected);
    else account.settle('rejected', accepted + rejected);
    throw error;
  }
}

function beginDecoding(
  { decodersOf, decode, maps, firstHour, maxFutureMs, clock }: IngestOptions,
  { stream, format, body, memory, spare, messageType, map, arrival }: IngestRequest,
  invalid: DecodeOptions['invalid'],
): Generator<undefined, Decoded, undefined> {
  const { text } = decode;
  return decodersOf(stream)[format](body, {
    ...decode,
    ...(text !== undefined && { text: { ...text, arrival: arrival ?? clock() } }),
    ...(memory !== undefined && { memory }),
    ...(spare !== undefined && { spare }),
    ...(map !== undefined && { map: mapNamed(maps, map) }),
    invalid,
    messageType,
    firstHour: firstHour?.(stream) ?? MIN_HOUR,
    ...(maxFutureMs !== undefined && { latest: Math.floor((clock() + maxFutureMs) / 1_000) }),
  });
}

function mapNamed(maps: IngestOptions['maps'], name: string): FieldMap {
  const map = maps?.get(name);
  if (map === undefined) throw new Error(`there is no mapping ${JSON.stringify(name)}`);
  return map;
}

function unreadOf({ unread = [] }: IngestRequest): readonly UnreadFrame[] {
  return unread;
}

/** What is committed with the batch: its Idempotency-Key, the dead letters, and how far its source is read. */
function noteOf(
  request: IngestRequest,
  { rejections, rejected }: Decoded,
  about: { readonly bodyHash: string; readonly answer: string; readonly time: number },
): CommitNote {
  const { idempotencyKey: key, owner, position } = request;
  const unread = unreadOf(request).map(({ beginning, reason, map }) => ({ reason, raw: rawText(beginning), map }));
  const rejects = rejections.map((rejection) => ({ ...rejection, map: request.map }));
  const faults = rejected > 0 ? [...rejects, ...unread] : unread;
  return {
    ...(key !== undefined && { idempotency: { key, ...about, ...(owner !== undefined && { owner }) } }),
    ...(faults.length > 0 && { deadLetters: faults.map((fault) => deadLetter(fault, request, about.time)) }),
    ...(position !== undefined && { positions: [position] }),
  };
}

/** A defect of a decoder costs the frame that shows it, not the others of its block. */
function asUnreadable(error: unknown): unknown {
  const isKnown = [MalformedBodyError, PermanentError, UnavailableError].some((known) => error instanceof known);
  if (isKnown) return error;
  return new MalformedBodyError(`cannot be decoded: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  });
}

/** Runs the decoder of a large body, with other work between its steps. */
async function finish(
  decoding: Generator<undefined, Decoded, undefined>,
  nextStep: () => Promise<void>,
): Promise<Decoded> {
  for (;;) {
    await nextStep();
    const step = decoding.next();
    if (step.done === true) return step.value;
  }
}

/**
 * The first 128 bits of a SHA-256, in hex: no two bodies have the same by accident, and it needs half the memory. The same body for
 * another stream, or by another map, is another one.
 */
function hashBody({ stream, map, body }: IngestRequest): string {
  return (
    createHash('sha256')
      .update(isDefaultStream(stream) ? '' : `${stream}\n`)
      // No name of a stream has a colon.
      .update(map === undefined ? '' : `map:${map}\n`)
      .update(body)
      .digest('hex')
      .slice(0, 32)
  );
}

/** The rejections that a client is told of, and the number of all. */
function listRejections({ rejections, rejected }: Decoded): Rejected {
  return { rejections: rejections.slice(0, MAX_LISTED_REJECTIONS), rejected };
}

/** The JSON body of the 202. */
function answerTo(decoded: Decoded): string {
  if (decoded.rejected === 0) return formatAnswer(decoded);
  const { rejections } = listRejections(decoded);
  return formatAnswer(
    decoded,
    rejections.map(({ index, field, reason }) => ({ index, field, reason })),
  );
}

function deadLetter(
  fault: Pick<Rejection, 'reason' | 'raw' | 'contentType'> & { readonly map: string | undefined },
  { stream, source }: IngestRequest,
  time: number,
): DeadLetter {
  const { reason, raw, contentType, map } = fault;
  const how = { ...(contentType !== undefined && { contentType }), ...(map !== undefined && { map }) };
  const about = { time, stage: 'ingest', reason, raw, ...how, source } as const;
  return isDefaultStream(stream) ? about : { ...about, stream };
}
