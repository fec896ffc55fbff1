import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { z } from 'zod';
import { FieldMapError, fieldMapOf } from '../model/field-map.ts';
import { ACCESS_STREAM, EVENTS_STREAM, MAX_COUNT_BY } from '../model/stream.ts';
import { type configSchema, FORMATS_OF_FILES } from './schema.ts';

type Values = z.output<typeof configSchema>;

/** A rule that several keys must keep together. `keys`: those involved; the problem is reported at the first. */
interface Rule {
  readonly keys: readonly [string, ...string[]];
  readonly broken: (values: Values) => boolean;
  readonly message: string;
}

const TIMESTAMP = 'timestamp';
const DIRECTORIES = ['logsDir', 'analyticsDir', 'stateDir', 'dlqDir'] as const;

const apartRules: readonly Rule[] = DIRECTORIES.flatMap((one, index) => [
  ...DIRECTORIES.slice(0, index).map((other) => ({
    keys: [`storage.${one}`, `storage.${other}`] as const,
    broken: ({ storage }: Values) => pathInside(storage[one], storage[other]) === '',
    message: `must not be the directory of storage.${other}`,
  })),
  ...DIRECTORIES.filter((other) => other !== one).map((other) => ({
    keys: [`storage.${one}`, `storage.${other}`] as const,
    broken: ({ storage }: Values) => !['', undefined].includes(pathInside(storage[one], storage[other])),
    message: `must not be inside the directory of storage.${other}`,
  })),
]);

/** The path from a folder to one that lies in it, '' when they are the same, after all symbolic links that exist. */
function pathInside(inner: string, outer: string): string | undefined {
  const path = relative(realPath(outer), realPath(inner));
  const isOutside = path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path);
  return isOutside ? undefined : path;
}

/** The path without symbolic links, as far as it exists. */
function realPath(path: string): string {
  const whole = resolve(path);
  try {
    return realpathSync(whole);
  } catch {
    const parent = dirname(whole);
    return parent === whole ? whole : join(realPath(parent), basename(whole));
  }
}

/** What is wrong with the streams among themselves. The key of each is that at fault: `streams[2].name`. */
export function streamProblems({
  version,
  streams,
  kafka,
}: Values): readonly { readonly key: string; readonly message: string }[] {
  const problems: { key: string; message: string }[] = [];
  const names = new Set<string>([ACCESS_STREAM.name, EVENTS_STREAM.name]);
  for (const [index, { name, required, countBy }] of streams.entries()) {
    const complain = (key: string, message: string) => problems.push({ key: `streams[${index}].${key}`, message });
    if (names.has(name)) complain('name', `there is a stream ${name} already; access and events are built in`);
    names.add(name);
    if (version === 2 && isTopicTooLong(kafka.topic, name))
      complain('name', `makes a topic of more than ${MAX_TOPIC} characters with kafka.topic before it`);
    const fields = [TIMESTAMP, ...required];
    if (new Set(fields).size < fields.length)
      complain('required', 'names a field twice; timestamp is one of every record');
    if (new Set(countBy).size < countBy.length) complain('countBy', 'names a field twice');
    if (countBy.length > MAX_COUNT_BY) complain('countBy', `names more than ${MAX_COUNT_BY} fields`);
    if (countBy.includes(TIMESTAMP)) complain('countBy', 'names timestamp, which nearly every record has another of');
  }
  return problems;
}

/** The keys that an input of a type must have. */
const NEEDED_OF_INPUT: Readonly<Record<string, 'addr' | 'path' | undefined>> = {
  tcp: 'addr',
  udp: 'addr',
  syslog: 'addr',
  unixsock: 'path',
  unixgram: 'path',
  fifo: 'path',
};
const TYPES_WITH_FRAMING: readonly string[] = ['tcp', 'unixsock'];
const TYPES_WITH_CLIENTS: readonly string[] = ['tcp', 'udp', 'syslog'];
const TYPES_WITH_TLS: readonly string[] = ['tcp', 'syslog'];

/** The fields that every text of a format has. In `auto` and `json` the records of JSON have their own. */
const TEXT_FIELDS = [TIMESTAMP, ...EVENTS_STREAM.required];
const FIELDS_OF_TEXT: Readonly<Record<string, readonly string[] | undefined>> = {
  raw: TEXT_FIELDS,
  syslog: TEXT_FIELDS,
  journald: TEXT_FIELDS,
  combined: [TIMESTAMP, ...ACCESS_STREAM.required],
};

function fieldsOf(streams: Values['streams'], name: string): readonly string[] | undefined {
  const stream = [ACCESS_STREAM, EVENTS_STREAM, ...streams].find((each) => each.name === name);
  return stream && [TIMESTAMP, ...stream.required];
}

/** What is wrong with how an input makes the fields of its stream. */
function fieldProblems(
  { format, stream, defaults, rename }: Values['inputs'][number],
  fields: readonly string[],
): readonly (readonly [key: string, message: string])[] {
  const problems: [string, string][] = [];
  for (const name of Object.keys(defaults)) {
    if (!fields.includes(name))
      problems.push(['defaults', `stream ${stream} has no required field ${name}; it has ${fields.join(', ')}`]);
  }
  const own = FIELDS_OF_TEXT[format];
  const given = [...(own ?? fields), ...Object.keys(defaults), ...Object.values(rename)];
  const missing = fields.filter((name) => !given.includes(name));
  const advice = `give stream ${stream} defaults of ${missing.join(', ')}, or rename others`;
  if (missing.length > 0) problems.push(['format', `${format} has no field ${missing[0]}; ${advice}`]);
  return problems;
}

const FORMATS_OF_FRAMES: readonly string[] = ['raw', 'syslog', 'journald', 'protobuf', 'avro'];

/** Of files. */
const FORMATS_WITH_MAP: readonly string[] = ['auto', 'json', 'csv'];

function complainOfFile(
  { paths, path, format, map }: Values['inputs'][number],
  mappings: Values['mappings'],
  complain: (key: string, message: string) => void,
): void {
  if (paths.length === 0) complain('paths', 'is missing: an input of type file needs at least one');
  if (path !== '') complain('path', 'an input of type file has paths');
  if (FORMATS_OF_FRAMES.includes(format)) complain('format', `a file has no format ${format}; text is auto or text`);
  if (map !== '' && !mappings.some(({ name }) => name === map)) complain('map', `there is no mapping ${map}`);
  if (map !== '' && !FORMATS_WITH_MAP.includes(format))
    complain('map', `format ${format} has fields of its own; a mapping is for ${FORMATS_WITH_MAP.join(', ')}`);
}

function isFormatOfFiles(format: string): boolean {
  return FORMATS_OF_FILES.some((one) => one === format);
}

/** What is wrong with the mappings among themselves. */
export function mappingProblems({ mappings }: Values): readonly { readonly key: string; readonly message: string }[] {
  const names = mappings.map(({ name }) => name);
  return mappings.flatMap(({ name, fields }, index) => {
    const key = `mappings[${index}]`;
    if (name === 'unnamed') return [{ key: `${key}.name`, message: 'is missing: a mapping needs a name' }];
    if (names.indexOf(name) < index) return [{ key: `${key}.name`, message: `there is a mapping ${name} already` }];
    if (Object.keys(fields).length === 0) return [{ key: `${key}.fields`, message: 'names no field' }];
    const fault = faultOfMap(fields);
    return fault === undefined ? [] : [{ key: `${key}.fields`, message: fault }];
  });
}

function faultOfMap(fields: Readonly<Record<string, string>>): string | undefined {
  try {
    fieldMapOf(fields);
    return undefined;
  } catch (error) {
    if (error instanceof FieldMapError) return error.message;
    throw error;
  }
}

/** What is wrong with the inputs among themselves, and with the keys of one. */
export function inputProblems({
  inputs,
  streams,
  mappings,
  ingestion,
}: Values): readonly { readonly key: string; readonly message: string }[] {
  const problems: { key: string; message: string }[] = [];
  const names = new Set<string>();
  for (const [index, input] of inputs.entries()) {
    const complain = (key: string, message: string) => problems.push({ key: `inputs[${index}].${key}`, message });
    const { name, type, stream, format, framing, path, tls, flushBytes, maxFrameBytes, maxInFlightBytes } = input;
    if (name === 'unnamed') complain('name', 'is missing: an input needs a name');
    if (names.has(name)) complain('name', `there is an input ${name} already`);
    names.add(name);
    const fields = fieldsOf(streams, stream);
    if (fields === undefined) complain('stream', `there is no stream ${stream}`);
    else if (type !== 'file') fieldProblems(input, fields).forEach(([key, message]) => void complain(key, message));
    if (NEEDED_OF_INPUT[type] === 'path' && path === '')
      complain('path', `is missing: an input of type ${type} needs one`);
    if (type === 'file') complainOfFile(input, mappings, complain);
    else if (isFormatOfFiles(format)) complain('format', `an input of type ${type} has no format ${format}`);
    if (input.rateLimit !== 'off' && !TYPES_WITH_CLIENTS.includes(type))
      complain('rateLimit', `clients of an input of type ${type} have no address`);
    if (tls.cert !== '' && !TYPES_WITH_TLS.includes(type)) complain('tls.cert', `an input of type ${type} has no TLS`);
    if ((tls.cert === '') !== (tls.key === '')) complain('tls.key', 'cert and key are given together or not at all');
    if (framing !== 'newline' && !TYPES_WITH_FRAMING.includes(type))
      complain('framing', `an input of type ${type} has lines or datagrams`);
    if ((format === 'protobuf' || format === 'avro') && framing !== 'octet-counted')
      complain('format', `${format} needs framing octet-counted or universal`);
    if (maxInFlightBytes < 2 * flushBytes) complain('maxInFlightBytes', 'must be at least twice flushBytes');
    if (maxFrameBytes > ingestion.maxBatchBytes)
      complain('maxFrameBytes', 'must not be more than ingestion.maxBatchBytes');
  }
  if (inputs.filter(({ type }) => type === 'stdin').length > 1)
    problems.push({ key: 'inputs', message: 'two inputs read standard input' });
  return problems;
}

/** What is wrong with the lists of what holds for single streams. */
export function streamListProblems({
  streams,
  storage,
  retention,
}: Values): readonly { readonly key: string; readonly message: string }[] {
  const known = new Set<string>([ACCESS_STREAM.name, EVENTS_STREAM.name, ...streams.map(({ name }) => name)]);
  return Object.entries({ storage, retention }).flatMap(([section, values]) => {
    const seen = new Set<string>();
    return values.streams.flatMap(({ name }, index) => {
      const key = `${section}.streams[${index}].name`;
      if (!known.has(name)) return [{ key, message: `there is no stream ${name}; there are ${[...known].join(', ')}` }];
      if (seen.has(name)) return [{ key, message: `stands twice in the list: ${name}` }];
      seen.add(name);
      return [];
    });
  });
}

/** The longest name of a topic that Kafka takes. */
const MAX_TOPIC = 249;

function isTopicTooLong(topic: string, stream: string): boolean {
  return `${topic}-${stream}`.length > MAX_TOPIC;
}

export const RULES: readonly Rule[] = [
  {
    keys: ['server.maxInFlightBytes', 'server.maxBodyBytes'],
    broken: ({ server }) => server.maxInFlightBytes < server.maxBodyBytes,
    message: 'must be at least server.maxBodyBytes, or the largest bodies would always be refused',
  },
  {
    keys: ['server.tls.key', 'server.tls.cert'],
    broken: ({ server: { tls } }) => (tls.cert === '') !== (tls.key === ''),
    message: 'cert and key are given together or not at all',
  },
  {
    keys: ['server.tls.clientCa', 'server.tls.cert'],
    broken: ({ server: { tls } }) => tls.clientCa !== '' && tls.cert === '',
    message: 'needs server.tls.cert and server.tls.key',
  },
  {
    keys: ['auth.enabled', 'auth.keys', 'auth.keysFile'],
    broken: ({ auth }) => auth.enabled && auth.keys.length === 0 && auth.keysFile === '',
    message: 'needs auth.keys or auth.keysFile, or every request would be refused',
  },
  {
    keys: ['kafka.brokers'],
    broken: ({ version, kafka }) => version === 2 && kafka.brokers.length === 0,
    message: 'version 2 needs at least one broker',
  },
  {
    keys: ['kafka.topic'],
    broken: ({ version, kafka }) => version === 2 && isTopicTooLong(kafka.topic, EVENTS_STREAM.name),
    message: `is too long: the topic of a stream has its name behind, and at most ${MAX_TOPIC} characters`,
  },
  {
    keys: ['kafka.ssl.certFile', 'kafka.ssl.keyFile'],
    broken: ({ kafka: { ssl } }) => (ssl.certFile === '') !== (ssl.keyFile === ''),
    message: 'needs kafka.ssl.keyFile, and the other way round: set both or neither',
  },
  {
    keys: ['kafka.sasl.mechanism', 'kafka.sasl.username', 'kafka.sasl.password'],
    broken: ({ kafka: { sasl } }) => sasl.mechanism !== 'none' && (sasl.username === '' || sasl.password === ''),
    message: 'needs kafka.sasl.username and kafka.sasl.password',
  },
  ...apartRules,
];
