import type { Fields, NextRecord, RecordKind } from '../generate.ts';
import { accessFields } from './access-fields.ts';
import { type MixedLevel, mixLevel } from './levels.ts';
import { createRandom, type Random } from './random.ts';
import { createSessions, type Step } from './sessions.ts';

export interface RecordOptions {
  readonly kind: RecordKind;
  /** The same seed gives the same records but for their times. */
  readonly seed: number;
  /** From 0; each producer has records of its own. */
  readonly producer: number;
  /** Characters of a message; undefined where it has those of its text. */
  readonly size?: number | undefined;
  /** Further fields; one of a known name has this value instead. */
  readonly fields: Fields;
}

const OUTCOMES: Readonly<Record<MixedLevel, string>> = {
  INFO: 'succeeded',
  DEBUG: 'succeeded',
  WARN: 'is slow',
  ERROR: 'failed',
};
const DURATIONS_MS: Readonly<Record<MixedLevel, readonly [number, number]>> = {
  INFO: [1, 200],
  DEBUG: [1, 200],
  WARN: [1_000, 5_000],
  ERROR: [50, 2_000],
};
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const MS_PER_SECOND = 1_000;

/** Makes the records of one producer. */
export function createRecords({ kind, seed, producer, size, fields: own }: RecordOptions): NextRecord {
  const random = createRandom(seed, producer);
  const step = createSessions(random);
  const pad = createPad(size);
  const make: (at: number) => Fields = {
    events: (at: number) => eventFields(step(), random, at, pad),
    entry: (at: number) => entryFields(step(), random, at, pad),
    access: (at: number) => ({ timestamp: formatTime(at), ...accessFields(random) }),
    producer: (at: number) => producerFields(random, at, pad),
  }[kind];
  return (at) => ({ at, fields: { ...make(at), ...own } });
}

function eventFields(step: Step, random: Random, at: number, pad: (text: string) => string): Fields {
  const level = mixLevel(random);
  return {
    timestamp: formatTime(at),
    level,
    message: pad(describe(step, level)),
    service: step.service,
    user_id: step.userId,
    request_id: step.requestId,
    session_token: step.sessionToken,
    duration: random.int(...DURATIONS_MS[level]),
  };
}

function entryFields(step: Step, random: Random, at: number, pad: (text: string) => string): Fields {
  const level = mixLevel(random);
  return { timestamp: formatTime(at), service: step.service, level, message: pad(describe(step, level)) };
}

function producerFields(random: Random, at: number, pad: (text: string) => string): Fields {
  return {
    source: 'producer',
    timestamp: Math.floor(at / MS_PER_SECOND),
    level: mixLevel(random),
    message: pad(''),
  };
}

function describe({ action, userId }: Step, level: MixedLevel): string {
  return `${action} of ${userId} ${OUTCOMES[level]}`;
}

/** RFC 3339, to the millisecond: always 24 characters. */
export function formatTime(at: number): string {
  return new Date(at).toISOString();
}

/** A text, filled up with A to Z again and again, or cut, to `size` characters. */
function createPad(size: number | undefined): (text: string) => string {
  if (size === undefined) return (text) => (text === '' ? ALPHABET : text);
  const filling = ALPHABET.repeat(Math.ceil(size / ALPHABET.length));
  return (text) => (text === '' ? filling : `${text} ${filling}`).slice(0, size);
}
