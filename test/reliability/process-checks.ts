import type { Service } from '../support/service.ts';
import { eventually } from '../support/storage.ts';
import type { Tally } from '../support/workload.ts';
import type { Allowance, End, Version } from './reliability.ts';

/** A stop under load ends within its budget of 30 s; without stalled clients it needs far less. */
/** A stop waits for bodies that are under way: for server.bodyTimeout, 10 s, where a client sends slowly. */
const STOPPED_WITHIN_MS = 12_000;
const LEVELS = ['error', 'fatal'];

/** The accounting of one process at rest: it balances, and agrees with the answers that clients got since its start. */
export async function checkAccounting(
  service: Service,
  tally: Tally | undefined,
  version: Version = 1,
): Promise<string[]> {
  const name = `process ${service.pid}`;
  try {
    return await eventually(async () => {
      const response = await fetch(`${service.url}/metrics`, { signal: AbortSignal.timeout(5_000) });
      return judgeAccounting(await response.text(), tally, version).map((problem) => `${name}: ${problem}`);
    }, 5_000);
  } catch (error) {
    return [`${name}: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/**
 * Throws while records are in flight. Without a tally it only checks that the accounting balances. In version 2 the process that
 * receives a record hands it over, and another one, or a later one, may store it: no sum of one process.
 */
export function judgeAccounting(metrics: string, tally: Tally | undefined, version: Version = 1): string[] {
  const value = (sample: string): number => {
    const line = metrics.split('\n').find((text) => text.startsWith(`${sample} `));
    return line === undefined ? 0 : Number(line.slice(sample.length));
  };
  const inFlight = value('logforge_records_in_flight');
  if (inFlight !== 0) throw new Error(`${inFlight} records stay in flight`);
  const outcome = (name: string) => value(`logforge_records_total{outcome="${name}"}`);
  const [stored, rejected] = [outcome('stored'), outcome('rejected')];
  const [deadLettered, duplicate] = [outcome('dead_lettered'), outcome('duplicate')];
  const received = value('logforge_records_received_total');
  const unaccounted = value('logforge_records_unaccounted');
  const problems: string[] = [];
  if (unaccounted !== 0) problems.push(`logforge_records_unaccounted is ${unaccounted}`);
  const sum = stored + rejected + deadLettered + duplicate;
  if (version === 1 && sum !== received) problems.push(`${received} records were received, and ${sum} have an outcome`);
  const within = (what: string, count: number, known: number) => {
    if (tally === undefined || (count >= known && count <= known + tally.unknown)) return;
    const range = tally.unknown === 0 ? `${known}` : `${known} to ${known + tally.unknown}`;
    problems.push(`${count} records are counted as ${what}; the answers say ${range}`);
  };
  within('stored', stored, tally?.stored ?? 0);
  within('dead-lettered', deadLettered, tally?.deadLettered ?? 0);
  within('duplicate', duplicate, tally?.duplicate ?? 0);
  return problems;
}

/** Log lines of level error that no fault explains, and text that is not a log line. `text` begins at the beginning of a line. */
export function judgeLog(text: string, allowed: readonly RegExp[]): string[] {
  const problems: string[] = [];
  for (const line of text.split('\n').slice(0, -1)) {
    const entry = parseLogLine(line);
    if (entry === undefined) problems.push(`the log has a line that is not JSON: ${line}`);
    // A repeat of a line that was judged, folded, may come rounds later.
    else if (!entry.isRepeat && LEVELS.includes(entry.level) && !allowed.some((each) => each.test(entry.msg))) {
      problems.push(`unexpected in the log: ${line}`);
    }
  }
  return problems;
}

function parseLogLine(
  line: string,
): { readonly level: string; readonly msg: string; readonly isRepeat: boolean } | undefined {
  try {
    const { level, msg, repeated } = JSON.parse(line) as Readonly<Record<'level' | 'msg' | 'repeated', unknown>>;
    return { level: String(level), msg: String(msg), isRepeat: repeated !== undefined };
  } catch {
    return undefined;
  }
}

/** How a process may end: killed when it was, with 0 after SIGTERM, in time; or as a fault allows. */
export function judgeEnd(end: End, allowed: Required<Allowance>['exits']): string | undefined {
  const { node, signal, exit, milliseconds, lastWords } = end;
  const { code } = exit;
  if (allowed.some((each) => each.code === code && each.signal === exit.signal)) return undefined;
  if (signal === 'SIGKILL') return undefined;
  const how = `with ${code ?? exit.signal}`;
  if (signal === undefined) return `${node} ended by itself ${how}\n${lastWords}`;
  if (code !== 0) return `${node} ended ${how} after ${signal}\n${lastWords}`;
  if (milliseconds > STOPPED_WITHIN_MS) return `${node} took ${Math.round(milliseconds)} ms to end after ${signal}`;
  return undefined;
}
