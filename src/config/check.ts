import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { z } from 'zod';
import { ACCESS_STREAM, EVENTS_STREAM, MAX_COUNT_BY } from '../model/stream.ts';
import type { configSchema } from './schema.ts';

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

/** What is wrong with the limits of single streams. */
export function retentionProblems({
  streams,
  retention,
}: Values): readonly { readonly key: string; readonly message: string }[] {
  const known = new Set<string>([ACCESS_STREAM.name, EVENTS_STREAM.name, ...streams.map(({ name }) => name)]);
  const seen = new Set<string>();
  return retention.streams.flatMap(({ name }, index) => {
    const key = `retention.streams[${index}].name`;
    if (!known.has(name)) return [{ key, message: `there is no stream ${name}; there are ${[...known].join(', ')}` }];
    if (seen.has(name)) return [{ key, message: `stands twice in the list: ${name}` }];
    seen.add(name);
    return [];
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
