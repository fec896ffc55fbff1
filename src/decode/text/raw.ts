import { parseTimestamp } from '../../lines/timestamp.ts';
import { toLevel } from '../../model/level.ts';
import { withZone } from './bsd-time.ts';
import { type TextContext, type TextParts, type TextRecord, toTextRecord } from './text-record.ts';

/** `ts [LEVEL] [service] message` */
const WHOLE = /^(\S+) +\[([^\][]*)\] +\[([^\][]*)\] ?([\s\S]*)$/;
/** `ts [LEVEL] service [request] [user] (12ms): message`, as generators of seed 001's first days write it. */
const REQUEST = /^(\S+) +\[([^\][]*)\] +([^\s\][]+) +\[([^\][]*)\] +\[([^\][]*)\] +\((\d{1,15})ms\): ?([\s\S]*)$/;
/** What is meant as a time, valid or not: a date, a time of day, or a Unix time. */
const LIKE_TIME = /^(?:\d{4}[-/.]\d|\d{8}[Tt]|\d{1,2}[-/.:]\d{1,2}[-/.:]\d|\d{10,19}(?:\.\d+)?$)/;
const DIGIT = /\d/;
/** A time as many programs write it, with a space and without a zone. */
const SPACED_TIME = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?= +\[)/;
/** The time and the level that other text begins with. */
const TIME = /^(\S+)(?: +|$)/;
const LEVEL = /^\[([^\][]*)\] */;

/**
 * Reads text that is neither JSON nor syslog. What has the whole form, with what is meant as a time or as a level, is judged as it stands; of
 * other text a valid time, and after it a valid level, are taken from its beginning, and nothing else is cut.
 */
export function readRaw(text: string, context: TextContext): TextRecord {
  const timed = text.replace(SPACED_TIME, (_, date: string, time: string, fraction?: string) =>
    withZone(`${date}T${time}${fraction === undefined ? '' : `.${fraction}`}`, context),
  );
  const parts = readWhole(timed) ?? readRequest(timed) ?? readRest(timed);
  return toTextRecord('raw', parts ?? { ...NOTHING, message: text }, context, context.service);
}

const NOTHING = { timestamp: undefined, level: undefined, service: undefined };

/** Brackets are in free text too: `retry [3] [payment] failed again`. */
function isMeant(timestamp: string, level: string): boolean {
  return LIKE_TIME.test(timestamp) || (toLevel(level) !== undefined && !DIGIT.test(level));
}

function readWhole(text: string): TextParts | undefined {
  const match = WHOLE.exec(text);
  if (match === null) return undefined;
  const [, timestamp = '', level = '', service = '', message = ''] = match;
  if (!isMeant(timestamp, level)) return undefined;
  return { timestamp, level, service: service.trim() === '' ? undefined : service, message };
}

function readRequest(text: string): TextParts | undefined {
  const match = REQUEST.exec(text);
  if (match === null) return undefined;
  const [, timestamp = '', level = '', service = '', request = '', user = '', duration = '', message = ''] = match;
  if (!isMeant(timestamp, level)) return undefined;
  const more = [
    ['request_id', JSON.stringify(request)],
    ['user_id', JSON.stringify(user)],
    ['duration', String(Number(duration))],
  ] as const;
  return { timestamp, level, service, message, more };
}

/** undefined where the text does not begin with a valid time. */
function readRest(text: string): TextParts | undefined {
  const time = TIME.exec(text);
  if (time === null || parseTimestamp(time[1] ?? '') === undefined) return undefined;
  const rest = text.slice(time[0].length);
  const level = LEVEL.exec(rest);
  const isLevel = level !== null && toLevel(level[1] ?? '') !== undefined;
  return {
    timestamp: time[1],
    level: isLevel ? level[1] : undefined,
    service: undefined,
    message: isLevel ? rest.slice(level[0].length) : rest,
  };
}
