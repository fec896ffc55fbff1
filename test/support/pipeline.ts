import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startQueuedPipeline } from '../../src/app/queued.ts';
import { loadConfig } from '../../src/config/config.ts';
import { diskFileSystem, type FileSystem } from '../../src/disk/file-system.ts';
import { createMetrics, type Metrics } from '../../src/metrics/metrics.ts';
import { BUILTIN_SCHEMAS } from '../../src/model/builtin-schemas.ts';
import type { Batch } from '../../src/model/chunk.ts';
import type { CommitNote, Deliver } from '../../src/model/deliver.ts';
import { hourToIso } from '../../src/model/hour.ts';
import { openRepo } from '../../src/repo/file-repo.ts';
import type { Repo } from '../../src/repo/repo.ts';
import { createLifecycle } from '../../src/runtime/lifecycle.ts';
import { createTestLog } from './queues.ts';

/** Version 2 from the delivery to the files, without HTTP, in this process. */
export interface TestPipeline {
  readonly deliver: Deliver;
  readonly repo: Repo;
  readonly metrics: Metrics;
  readonly log: ReturnType<typeof createTestLog>;
  readonly fatal: Error[];
  /** Resolves true when all parts stopped within the budget, in milliseconds. */
  stop(budgetMs?: number): Promise<boolean>;
}

export async function openPipeline(options: {
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
  /** The configuration file, as text. */
  readonly yaml?: string;
  /** The file system; absent: the real one. */
  readonly files?: FileSystem;
}): Promise<TestPipeline> {
  const { dir, env, yaml, files = diskFileSystem } = options;
  const folders = {
    LOGFORGE_STORAGE_LOGS_DIR: join(dir, 'logs'),
    LOGFORGE_STORAGE_STATE_DIR: join(dir, 'state'),
    LOGFORGE_STORAGE_DLQ_DIR: join(dir, 'dlq'),
  };
  const { config } = loadConfig({
    ...(yaml !== undefined && { file: 'test.yaml', text: yaml }),
    env: { LOGFORGE_VERSION: '2', ...folders, ...env },
  });
  const metrics = createMetrics({ defaultMetrics: false });
  const log = createTestLog();
  const repo = await openRepo({
    logsDir: join(dir, 'logs'),
    stateDir: join(dir, 'state'),
    dlqDir: join(dir, 'dlq'),
    durability: 'disk',
    idempotency: { windowMs: 3_600_000, maxKeys: 10_000 },
    maxWaitMs: 5_000,
    metrics,
    log,
    files,
  });
  const lifecycle = createLifecycle(log);
  lifecycle.started('storage', () => repo.close());
  const fatal: Error[] = [];
  const schemas = BUILTIN_SCHEMAS;
  const parts = { config, repo, schemas, metrics, log, lifecycle, onFatal: (error: Error) => void fatal.push(error) };
  const { deliver } = await startQueuedPipeline(parts);
  return { deliver, repo, metrics, log, fatal, stop: (budgetMs = 30_000) => lifecycle.stop(budgetMs) };
}

const HOUR = 397_186;
/** Tells records of named batches from those of other programs. */
const AGENT = 'named';

/** A batch over three hours whose lines carry its name; `padding` makes each line longer. */
export function namedBatch(name: string, padding = ''): Batch {
  return [0, 1, 2].map((offset) => {
    const timestamp = hourToIso(HOUR + offset);
    const lines = [0, 1].map((half) => {
      return `{"timestamp":"${timestamp}","path":"${name}/${offset}/${half}/${padding}","userAgent":"${AGENT}"}\n`;
    });
    return { stream: 'access', hour: HOUR + offset, count: lines.length, lines: Buffer.from(lines.join('')) };
  });
}

/** The names of the stored named batches, to how often each of their lines is stored; in the order of the first hour. */
export async function storedBatches(dir: string): Promise<Map<string, number[]>> {
  const counts = new Map<string, number[]>();
  const days = await readdir(join(dir, 'logs')).catch(() => []);
  for (const day of days.filter((name) => !name.startsWith('.')).sort()) {
    for (const file of (await readdir(join(dir, 'logs', day))).sort()) {
      const text = await readFile(join(dir, 'logs', day, file), 'utf8');
      for (const line of text.split('\n').slice(0, -1)) {
        const { path, userAgent } = JSON.parse(line) as { path: string; userAgent: string };
        if (userAgent !== AGENT) continue;
        const [name = '', offset, half] = path.split('/');
        const places = counts.get(name) ?? [0, 0, 0, 0, 0, 0];
        const place = Number(offset) * 2 + Number(half);
        places[place] = (places[place] ?? 0) + 1;
        counts.set(name, places);
      }
    }
  }
  return counts;
}

/** The problems of the stored batches: missing, stored in part, or stored more than once. */
export async function findFaults(dirs: readonly string[], acknowledged: Iterable<string>): Promise<string[]> {
  const totals = new Map<string, number[]>();
  for (const dir of dirs) {
    for (const [name, counts] of await storedBatches(dir)) {
      totals.set(
        name,
        (totals.get(name) ?? [0, 0, 0, 0, 0, 0]).map((count, index) => count + (counts[index] ?? 0)),
      );
    }
  }
  const faults: string[] = [];
  for (const name of acknowledged) if (!totals.has(name)) faults.push(`${name} is missing`);
  for (const [name, counts] of totals)
    if (counts.some((count) => count !== 1)) faults.push(`${name} is there ${counts}`);
  return faults;
}

/** Senders that deliver one batch after the other, `pauseMs` after each answer, until they are stopped. */
export function startSenders(
  deliver: Deliver,
  options: {
    readonly senders: number;
    readonly keyed?: boolean;
    readonly pauseMs?: number;
    /** Makes each line longer. */
    readonly padding?: string;
  },
) {
  const { senders, keyed = false, pauseMs = 2, padding = '' } = options;
  const acknowledged: string[] = [];
  const durabilities = new Map<string, number>();
  const refused: Error[] = [];
  let over = false;
  const work = Array.from({ length: senders }, async (_, sender) => {
    for (let sequence = 0; !over; sequence++) {
      const name = `${sender}.${sequence}`;
      const idempotency = { key: name, bodyHash: 'h', answer: '{}', time: Date.now() };
      const note: CommitNote = keyed ? { idempotency } : {};
      try {
        const { durability } = await deliver(namedBatch(name, padding), note);
        acknowledged.push(name);
        durabilities.set(durability, (durabilities.get(durability) ?? 0) + 1);
      } catch (error) {
        refused.push(error instanceof Error ? error : new Error(String(error)));
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  });
  return {
    acknowledged,
    durabilities,
    refused,
    stop: async () => {
      over = true;
      await Promise.all(work);
    },
  };
}
