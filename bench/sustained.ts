/**
 * What lasts: rows that are measured after gigabytes were written, when the disk's caches are full, and beside them what the disk takes
 * without a service (disk-ceiling.ts), for the same bytes in blocks of the same size.
 */
import { spawn } from 'node:child_process';
import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { loadConfig } from '../src/config/config.ts';
import type { Service } from '../test/support/service.ts';
import { type Cell, describeCell } from './cells.ts';
import type { CeilingInput, CeilingOutput } from './disk-ceiling.ts';
import type { Run } from './table.ts';
import { makeRequests } from './workload.ts';

/** What a service wrote in one run, its warm-up included. */
export interface Written {
  readonly records: number;
  /** Of its stored lines, whatever the form of the files. */
  readonly lineBytes: number;
  /** Length of the hour files after the stop. */
  readonly diskBytes: number;
  readonly commits: number;
}

/** One measurement of the disk alone. */
export interface Ceiling extends CeilingOutput {
  readonly row: string;
  readonly recordsPerSecond: number;
  readonly cpuSecondsPerMillion: number;
}

const CEILING = join(import.meta.dirname, 'disk-ceiling.ts');
/** No machine that was measured stores more, bytes a second: so much room is asked for. */
const ROOM_PER_SECOND = 600e6;

/** Whether the service has files that are compressed. */
export function knowsCompression(): boolean {
  return 'compression' in loadConfig({ env: {} }).config.storage;
}

/** Rejects when the file system of `dir` has too little room for the row. */
export async function checkRoom(dir: string, { sustained }: Cell): Promise<void> {
  if (sustained === undefined) return;
  const { bavail, bsize } = await statfs(dir);
  const wanted = sustained.afterBytes + sustained.seconds * ROOM_PER_SECOND;
  if (bavail * bsize >= wanted) return;
  const [has, needs] = [bavail * bsize, wanted].map((bytes) => `${(bytes / 1e9).toFixed(0)} GB`);
  throw new Error(
    `cannot measure sustained rows in dir=${dir}: it has ${has} free and needs ${needs}; see --dir, --after-gb`,
  );
}

/** Stops the service, so that all of its bytes are in its files, and says what it wrote. */
export async function readWritten(cell: Cell, service: Service): Promise<Written> {
  const exposition = await (await fetch(`${service.url}/metrics`)).text();
  const read = (sample: string) => {
    const line = exposition.split('\n').find((each) => each.startsWith(`${sample} `));
    if (line === undefined) throw new Error(`cannot measure row=${describeCell(cell)}: no metric ${sample}`);
    return Number(line.slice(sample.length));
  };
  const records = read('logforge_records_total{outcome="stored"}');
  const commits = read('logforge_commit_duration_seconds_count');
  await service.stop();
  return { records, commits, lineBytes: records * lineBytesOf(cell), diskBytes: await lengthOf(service.dirs.logs) };
}

/** Mean length of a stored line: of NDJSON, which is stored as it comes. */
function lineBytesOf(cell: Cell): number {
  const requests = makeRequests({ ...cell, format: 'ndjson', encoding: 'plain' });
  const bodies = requests.map((request) => request.length - request.indexOf('\r\n\r\n') - 4);
  return bodies.reduce((sum, bytes) => sum + bytes, 0) / requests.length / cell.batch;
}

async function lengthOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** The disk alone, with the bytes that a run stored: each block as long as a commit was on average. */
export async function measureCeilings(cell: Cell, run: Run, dir: string): Promise<Ceiling[]> {
  const { sustained } = cell;
  const { written } = run;
  if (sustained === undefined || written === undefined) return [];
  const blockBytes = Math.round(written.lineBytes / written.commits);
  const bytesPerRecord = written.lineBytes / written.records;
  const { afterBytes } = sustained;
  const bytes = Math.round(run.accepted * cell.batch * bytesPerRecord);
  const ceilings: Ceiling[] = [];
  for (const syncs of [true, false]) {
    const path = join(dir, `logforge-ceiling-${process.pid}`);
    const output = await runCeiling({ path, blockBytes, afterBytes, bytes, syncs });
    const records = output.bytes / bytesPerRecord;
    ceilings.push({
      ...output,
      row: `${syncs ? 'write and fdatasync' : 'write alone'}, blocks of ${(blockBytes / 1e6).toFixed(2)} MB`,
      recordsPerSecond: records / output.seconds,
      cpuSecondsPerMillion: (output.cpuSeconds / records) * 1e6,
    });
  }
  return ceilings;
}

/** Measures the disk alone, in a process of its own. */
export async function runCeiling(input: CeilingInput): Promise<CeilingOutput> {
  const child = spawn(process.execPath, [CEILING], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(input));
  const answer = await text(child.stdout);
  if (answer === '') throw new Error(`cannot measure the disk path=${input.path}: the loop gave no result`);
  return JSON.parse(answer) as CeilingOutput;
}
