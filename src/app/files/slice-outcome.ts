import type { Slice } from '../../inputs/files/files.ts';
import { rawText } from '../../lines/dead-letter.ts';
import type { Clock } from '../../model/clock.ts';
import type { DeadLetter } from '../../model/deliver.ts';
import { isDefaultStream, type StreamName } from '../../model/stream.ts';
import type { AppendedFile, Reject } from '../../outputs/outputs.ts';

/** What became of a slice: its records are stored + duplicates + refused. */
export interface SliceOutcome {
  /** Requests that the service took. */
  readonly batches: number;
  readonly stored: number;
  /** Records that the service had already. */
  readonly duplicates: number;
  /** All of it was delivered before: what it counts was counted then. */
  readonly isKnown: boolean;
  readonly refused: number;
  readonly unreadable: number;
  /** That were sent, uncompressed. */
  readonly bytes: number;
  /** The first records that the service refused: those that its answers named, at most 100. */
  readonly refusals: readonly Refusal[];
}

export interface Refusal {
  /** Numbers of the line in its file, from 1: it is one from the first to the last of these; mostly they are the same. */
  readonly first: number;
  readonly last: number;
  readonly reason: string;
}

export interface DeliveryReport {
  /** Once, when the whole slice is accounted for. */
  delivered(slice: Slice, outcome: SliceOutcome): void;
  notify(message: string): void;
}

/** Where lines go that are not stored. What is in neither file is only reported. */
export interface PutAside {
  /** Lines that cannot be read. */
  readonly rejects?: Pick<AppendedFile<Reject>, 'add'> | undefined;
  /** Records that the service refused, and of which it keeps no dead letter itself. Absent: `rejects`. */
  readonly deadLetters?: Pick<AppendedFile<DeadLetter>, 'add'> | undefined;
}

/** A record that the service refused. `bytes`: as it was sent, without its newline. */
export interface RefusedRecord extends Refusal {
  readonly bytes: Buffer;
}

/** Resolves when the lines are in their files, synced. */
export async function putAside(
  { rejects, deadLetters }: PutAside,
  lines: {
    readonly slice: Slice;
    readonly stream: StreamName;
    readonly unreadable: Slice['converted']['unreadable'];
    readonly refused: readonly RefusedRecord[];
    readonly clock: Clock;
  },
): Promise<void> {
  const { slice, stream, unreadable, refused } = lines;
  const time = lines.clock();
  const about = { time, stage: 'input', ...(isDefaultStream(stream) ? {} : { stream }) } as const;
  const rejected = unreadable.map((line) => ({ ...line, time, file: slice.name }));
  if (deadLetters === undefined) {
    const others = refused.map(({ first, reason, bytes }) => ({
      time,
      file: slice.name,
      number: first,
      reason,
      bytes,
    }));
    await rejects?.add([...rejected, ...others]);
    return;
  }
  await rejects?.add(rejected);
  await deadLetters.add(
    refused.map(({ bytes, reason, ...place }) => {
      return { ...about, reason, raw: rawText(bytes), source: `${slice.name}:${describePlace(place)}` };
    }),
  );
}

/** `7`, or `7-1300` */
export function describePlace({ first, last }: Pick<Refusal, 'first' | 'last'>): string {
  return first === last ? `${first}` : `${first}-${last}`;
}

/** Where the record at this place in the body of the slice stands in its file. */
export function placeOf({ number, converted }: Slice, index: number): Pick<Refusal, 'first' | 'last'> {
  const { numbers, frames, records, unreadable } = converted;
  const at = numbers?.(index);
  if (at !== undefined) return { first: at, last: at };
  // Blank lines and directives, whose numbers nobody knows.
  if (frames !== records + unreadable.length) return { first: number, last: number + frames - 1 };
  let counted = number + index;
  for (const line of unreadable) if (line.number <= counted) counted++;
  return { first: counted, last: counted };
}
