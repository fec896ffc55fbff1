import { setTimeout as sleep } from 'node:timers/promises';
import { postMessageToThread } from 'node:worker_threads';

/*
 * What every thread of this process runs, and what it waits for, at one moment. It is what Go calls a goroutine profile: Node.js has no
 * stack for code that waits, so the open handles and requests stand in for it.
 *
 *   runs        the stacks of a CPU profile of 100 ms; of a thread that is blocked, the stack in Node's diagnostic report
 *   handles     of libuv, from the diagnostic report: https://nodejs.org/api/report.html
 *   requests    process.getActiveResourcesInfo() of the thread, which a blocked thread cannot tell
 */

export interface ThreadSnapshot {
  readonly thread: string;
  /** Functions, the innermost first, and in how many samples they were seen. Most samples first. */
  readonly stacks: readonly { readonly samples: number; readonly frames: readonly string[] }[];
  /** All samples, and those in which the thread waited. None of a blocked thread. */
  readonly samples: number;
  readonly idle: number;
  /** How many there are of each kind: `tcp listening 127.0.0.1:8082`, `timer`. */
  readonly handles: Readonly<Record<string, number>>;
  /** How many there are of each kind: `FSReqPromise`. Undefined: the thread did not answer. */
  readonly requests: Readonly<Record<string, number>> | undefined;
}

export interface Snapshot {
  /** RFC 3339. */
  readonly time: string;
  readonly pid: number;
  readonly node: string;
  readonly uptimeSeconds: number;
  readonly threads: readonly ThreadSnapshot[];
}

/** Where the snapshot gets its parts from. */
export interface SnapshotSource {
  /** `main`, which has the id 0, and the worker threads, with their ids. */
  readonly threads: ReadonlyMap<string, number>;
  /** A CPU profile as JSON. */
  readonly cpu: (options: {
    readonly thread: string;
    readonly ms: number;
    readonly signal: AbortSignal;
  }) => Promise<string>;
}

const SAMPLED_MS = 100;
/** A thread that has not answered by then is blocked. */
const TIMEOUT_MS = 2_000;
const MAX_STACKS = 20;
const MAX_FRAMES = 30;

/** Takes about a tenth of a second, and two seconds more when a thread is blocked. */
export async function takeSnapshot({ threads, cpu }: SnapshotSource): Promise<Snapshot> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const names = [...threads.keys()];
  const sampling = Promise.all(names.map((thread) => inTime(cpu({ thread, ms: SAMPLED_MS, signal }))));
  const [profiles, active] = await Promise.all([sampling, askRequests(threads)]);
  const reports = readReports();
  return {
    time: new Date().toISOString(),
    pid: process.pid,
    node: process.version,
    uptimeSeconds: Math.round(process.uptime()),
    threads: names.map((thread, i): ThreadSnapshot => {
      const profile = profiles[i];
      const report = reports.get(threads.get(thread) ?? -1);
      const requests = active.get(thread);
      // The profile of a blocked thread, where there is one, lacks the function that was running before it began.
      const isBlocked = profile === undefined || requests === undefined;
      const sampled = isBlocked ? blockedStack(report) : countStacks(JSON.parse(profile) as CpuProfile);
      return { thread, ...sampled, handles: countHandles(report), requests };
    }),
  };
}

/** As text, for people. */
export function renderSnapshot({ time, pid, node, uptimeSeconds, threads }: Snapshot): string {
  const counts = (title: string, of: Readonly<Record<string, number>> | undefined): string[] => {
    if (of === undefined) return [`  ${title}: the thread did not answer`];
    const rows = Object.entries(of).toSorted(([, a], [, b]) => b - a);
    return [
      `  ${title}${rows.length === 0 ? ': none' : ''}`,
      ...rows.map(([name, count]) => `${String(count).padStart(8)}  ${name}`),
    ];
  };
  const parts = threads.map(({ thread, stacks, samples, idle, handles, requests }) => {
    const what = samples === 0 ? 'blocked in' : `runs (${samples} samples in ${SAMPLED_MS} ms, ${idle} idle)`;
    const seen = stacks.flatMap(({ samples: times, frames }) => [
      `${String(times).padStart(8)}  ${frames.join('\n          ')}`,
    ]);
    return [
      `thread ${thread}`,
      `  ${what}`,
      ...seen,
      ...counts('handles', handles),
      ...counts('requests', requests),
    ].join('\n');
  });
  return `${time} pid ${pid} node ${node} up ${uptimeSeconds} s\n\n${parts.join('\n\n')}\n`;
}

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples?: readonly number[];
}

type Sampled = Pick<ThreadSnapshot, 'stacks' | 'samples' | 'idle'>;

function countStacks({ nodes, samples = [] }: CpuProfile): Sampled {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const counts = new Map<number, number>();
  for (const id of samples) counts.set(id, (counts.get(id) ?? 0) + 1);
  let idle = 0;
  const stacks: { samples: number; frames: string[] }[] = [];
  for (const [leaf, times] of counts) {
    if (byId.get(leaf)?.callFrame.functionName === '(idle)') {
      idle += times;
      continue;
    }
    const frames: string[] = [];
    for (let id: number | undefined = leaf; id !== undefined && frames.length < MAX_FRAMES; id = parents.get(id)) {
      const frame = byId.get(id)?.callFrame;
      if (frame !== undefined && frame.functionName !== '(root)') frames.push(describeFrame(frame));
    }
    stacks.push({ samples: times, frames });
  }
  stacks.sort((a, b) => b.samples - a.samples);
  return { samples: samples.length, idle, stacks: stacks.slice(0, MAX_STACKS) };
}

function describeFrame({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  return url === '' ? name : `${name} (${url}:${lineNumber + 1})`;
}

/** The parts of Node's diagnostic report that are used here. */
interface Report {
  readonly header: { readonly threadId: number };
  readonly javascriptStack?: { readonly stack?: readonly string[] };
  readonly libuv?: readonly Handle[];
  readonly workers?: readonly Report[];
}

interface Handle {
  readonly type: string;
  readonly is_active: boolean;
  readonly localEndpoint?: {
    readonly host?: string;
    readonly ip4?: string;
    readonly ip6?: string;
    readonly port?: number;
  } | null;
  readonly remoteEndpoint?: object | null;
  readonly filename?: string;
}

/** The report of each thread, by its id. It interrupts a worker thread, also one that is blocked by its own code. */
function readReports(): Map<number, Report> {
  const { excludeEnv } = process.report;
  // The environment has secrets. Names of connected hosts would be looked up in the DNS, one after the other; the types lack this switch.
  Object.assign(process.report, { excludeEnv: true, excludeNetwork: true });
  try {
    // Typed as an object by Node.js; its form is documented.
    const report = process.report.getReport() as unknown as Report;
    return new Map([[0, report], ...(report.workers ?? []).map((worker) => [worker.header.threadId, worker] as const)]);
  } finally {
    process.report.excludeEnv = excludeEnv;
  }
}

function blockedStack(report: Report | undefined): Sampled {
  const frames = report?.javascriptStack?.stack ?? ['unknown'];
  return { samples: 0, idle: 0, stacks: [{ samples: 1, frames: frames.slice(0, MAX_FRAMES) }] };
}

function countHandles(report: Report | undefined): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const handle of report?.libuv ?? []) {
    if (!handle.is_active || handle.type === 'loop') continue;
    const name = describeHandle(handle);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** The addresses of clients are left out. */
function describeHandle({ type, localEndpoint, remoteEndpoint, filename }: Handle): string {
  if (localEndpoint !== null && localEndpoint !== undefined) {
    if (remoteEndpoint !== null && remoteEndpoint !== undefined) return `${type} connection`;
    const host = localEndpoint.ip4 ?? localEndpoint.ip6 ?? localEndpoint.host;
    return `${type} listening ${host}:${localEndpoint.port}`;
  }
  return filename === undefined ? type : `${type} ${filename}`;
}

/** The kinds of requests that are open in each thread which answers. */
async function askRequests(threads: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Record<string, number>>> {
  const found = new Map<string, Record<string, number>>([['main', countActive()]]);
  const names = new Map(Array.from(threads, ([name, id]) => [id, name]));
  const listen = (message: unknown, source: number): void => {
    const name = names.get(source);
    // Sent by answerSnapshots below.
    if (name !== undefined) found.set(name, message as Record<string, number>);
  };
  process.on('workerMessage', listen);
  try {
    const asked = Array.from(threads).filter(([name]) => name !== 'main');
    const sent = asked.map(([, id]) => postMessageToThread(id, ASK, [], TIMEOUT_MS).catch(() => undefined));
    await Promise.all(sent);
    for (let waited = 0; waited < SAMPLED_MS && found.size < threads.size; waited += 10) await sleep(10);
  } finally {
    process.off('workerMessage', listen);
  }
  return found;
}

const ASK = 'logforge: which requests are open?';

/** Called once in each worker thread: it tells its open requests when a snapshot is taken. */
export function answerSnapshots(): void {
  process.on('workerMessage', (message: unknown, source: number) => {
    if (message === ASK) void postMessageToThread(source, countActive()).catch(() => undefined);
  });
}

function countActive(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

async function inTime<T>(work: Promise<T>): Promise<T | undefined> {
  const timer = new AbortController();
  const late = sleep(TIMEOUT_MS, undefined, { signal: timer.signal }).catch(() => undefined);
  try {
    return await Promise.race([work.catch(() => undefined), late]);
  } finally {
    timer.abort();
  }
}
