import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../log.ts';
import { createMetrics } from '../metrics/metrics.ts';
import type { Batch } from '../model/chunk.ts';
import { parseHour, type StreamHour } from '../model/hour.ts';
import { openRepo } from './file-repo.ts';
import type { FileRepoOptions } from './file-repo-options.ts';
import { openHour } from './hour-file.ts';
import type { Repo } from './repo.ts';

/** New folders, with a repo on them when a test wants one, and what it logged. */
export interface RepoFixture {
  readonly dir: string;
  readonly logged: string[];
  readonly metrics: ReturnType<typeof createMetrics>;
  open(options?: Partial<FileRepoOptions>): Promise<Repo>;
  /** The path of an hour's file, `2025-11-22T10`. */
  path(hour: string): string;
  /** The lines of an hour's file; it must end in a whole one. */
  lines(hour: string): string[];
  /** The paths of all files and folders in `logs`. */
  everything(): string[];
  remove(): void;
}

export function createRepoFixture(): RepoFixture {
  const dir = fs.mkdtempSync(join(tmpdir(), 'logforge-repo-'));
  const logged: string[] = [];
  const note = (level: string) => (message: string) => void logged.push(`${level} ${message}`);
  const log: Log = {
    trace: note('trace'),
    debug: note('debug'),
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
    fatal: note('fatal'),
    child: () => log,
  };
  const metrics = createMetrics({ defaultMetrics: false });
  const path = (text: string): string => join(dir, 'logs', text.slice(0, 10), `${text.slice(11)}.log.json`);
  return {
    dir,
    logged,
    metrics,
    path,
    open: (options = {}) =>
      openRepo({
        logsDir: join(dir, 'logs'),
        dlqDir: join(dir, 'dlq'),
        stateDir: join(dir, 'state'),
        durability: 'disk',
        idempotency: { windowMs: 86_400_000, maxKeys: 1000 },
        maxWaitMs: 60_000,
        metrics,
        log,
        ...options,
      }),
    lines(text) {
      const content = fs.readFileSync(path(text), 'utf8');
      if (content !== '' && !content.endsWith('\n')) throw new Error(`no whole line at the end of ${path(text)}`);
      return content.split('\n').slice(0, -1);
    },
    everything: () =>
      fs
        .readdirSync(join(dir, 'logs'), { recursive: true })
        .map(String)
        .filter((name) => name !== '.logforge.lock')
        .sort(),
    remove: () => fs.rmSync(dir, { recursive: true, force: true }),
  };
}

/** The committed lines of an hour as every reader gets them, whatever its form; none where there is no such hour. They must end in a whole one. */
export async function readLines(repo: Pick<Repo, 'committedHour'>, at: StreamHour): Promise<string[]> {
  const committed = await repo.committedHour(at);
  const file = committed && openHour(committed);
  if (committed === undefined || file === undefined) return [];
  try {
    const lines = Buffer.alloc(committed.bytes);
    for (let filled = 0; filled < lines.length; ) {
      const count = file.read(lines, filled, lines.length - filled, filled);
      if (count === 0) throw new Error(`${committed.path} ends at ${filled} of ${lines.length} bytes of lines`);
      filled += count;
    }
    const text = lines.toString();
    if (text !== '' && !text.endsWith('\n')) throw new Error(`no whole line at the end of ${committed.path}`);
    return text.split('\n').slice(0, -1);
  } finally {
    file.close();
  }
}

export function hourOf(text: string): number {
  const hour = parseHour(text);
  if (hour === undefined) throw new Error(`not an hour: ${text}`);
  return hour;
}

/** One line, the same in each of the hours. */
export function batchOf(hours: readonly string[], line: string): Batch {
  return hours.map((text) => ({ stream: 'access', hour: hourOf(text), count: 1, lines: Buffer.from(`${line}\n`) }));
}
