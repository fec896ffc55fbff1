import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dirs } from './service.ts';

/*
 * Records of three streams as a client sends them and as they must be stored: of the two built-in ones, and of one that a configuration
 * names. The stored line is written out here, so no code of the service takes part.
 */

export const STREAMS = ['access', 'events', 'audit'] as const;
export type TestStream = (typeof STREAMS)[number];

/** For a load: half of the batches go to access. */
export const LOAD_STREAMS: readonly TestStream[] = ['access', 'access', 'events', 'audit'];

/** The configured stream `audit`. */
export const AUDIT = 'streams:\n  - name: audit\n    required: [action, actor]\n    countBy: [action]\n';

/** Writes a configuration file that names the stream `audit`; `yaml`: another one. Gives the arguments that name the file. */
export async function configureStreams({ root }: Pick<Dirs, 'root'>, yaml = AUDIT): Promise<string[]> {
  const path = join(root, 'streams.yaml');
  await writeFile(path, yaml);
  return ['--config', path];
}

/** Where records of a stream are sent to. */
export function pathOf(stream: string): string {
  return stream === 'access' ? '/logs' : `/logs/${stream}`;
}

export interface SentRecord {
  readonly sent: Readonly<Record<string, unknown>>;
  /** Without its newline. */
  readonly line: string;
}

const FIELDS = {
  access: (text: string) => ({ path: `/${text}`, userAgent: 'curl/8' }),
  events: (text: string) => ({ level: 'WARN', message: text, service: 'checkout' }),
  audit: (text: string) => ({ action: 'login', actor: text }),
} as const;

/** A record of the hour 2015-05-17T10 with a text of its own. Its fields are sent in another order than they are stored in. */
export function recordOf(stream: TestStream, text: string): SentRecord {
  const fields: Readonly<Record<string, string>> = FIELDS[stream](text);
  const stored = { timestamp: '2015-05-17T10:00:00Z', ...fields, note: 1 };
  const sent = Object.fromEntries(Object.entries(stored).reverse());
  // A synonym of the level, which is stored by its own name.
  return { sent: stream === 'events' ? { ...sent, level: 'warning' } : sent, line: JSON.stringify(stored) };
}

/** The body of a batch of records with these texts. */
export function bodyOf(stream: TestStream, texts: readonly string[]): string {
  return JSON.stringify(texts.map((text) => recordOf(stream, text).sent));
}

/** The hour file that holds these, in this order. */
export function fileOf(stream: TestStream, texts: readonly string[]): string {
  return texts.map((text) => `${recordOf(stream, text).line}\n`).join('');
}
