import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../attack/judge.ts';
import { createClient } from '../support/client.ts';
import { createRandom } from '../support/random.ts';
import { launch } from '../support/service.ts';
import type { Tally } from '../support/workload.ts';
import { allowancesOf, type LifeState } from './life-state.ts';
import { checkAccounting, judgeEnd, judgeLog } from './process-checks.ts';
import type { Allowance, Deployment, Fault, Figures, Round, RoundPlan, RoundResult } from './reliability.ts';

const CLIENTS = 8;
/** Acknowledgements before and after the faults, so that a round without a kill has load, too. */
const AFTER_FAULTS = 15;
const NONE_FOR_MS = 10_000;
const NEXT_REQUEST_WITHIN_MS = 5_000;
const MAX_PROBLEMS = 12;

/** One round on a running or dead deployment, which it leaves running. */
export async function runRound(state: LifeState, plan: RoundPlan): Promise<RoundResult> {
  const begun = performance.now();
  const figures: Figures = { kills: 0, stops: 0, diskStrikes: 0 };
  const allowances: Allowance[] = [];
  const notes: string[] = [];
  const problems: string[] = [];
  let next = 0;
  let latencies: readonly number[] = [];
  try {
    const { deployment } = state;
    await startDead(state, plan, figures);
    const strikes = await strikeUnderLoad(state, plan, { figures, allowances, notes });
    problems.push(...strikes);
    applyDamage(state, allowances);
    const ended = performance.now();
    const isDead = deployment.nodes.some((node) => node.service() === undefined);
    await startDead(state, plan, figures);
    next = await sendNext(state, isDead ? performance.now() : ended);
    await loadMore(state);
    latencies = state.acknowledgedBy.tally.latencies.splice(0);
    problems.push(...(await checkRound(state, allowances)));
  } catch (error) {
    problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  const p99 = quantile(latencies, 0.99);
  const bound = latencyBound(plan.faults);
  if (bound !== undefined && p99 > bound)
    problems.push(`honest clients' p99 is ${p99.toFixed(0)} ms, over ${bound} ms`);
  return {
    life: 0,
    number: plan.number,
    faults: plan.faults.map(({ name }) => name),
    notes,
    problems: problems.slice(0, MAX_PROBLEMS),
    milliseconds: performance.now() - begun,
    nextRequestMilliseconds: next,
    honestP99Milliseconds: bound === undefined ? undefined : p99,
    figures,
  };
}

/** Undefined where a fault stops the service. */
function latencyBound(faults: readonly Fault[]): number | undefined {
  const bounds = faults.map(({ honestP99Milliseconds = Number.POSITIVE_INFINITY }) => honestP99Milliseconds);
  const bound = Math.max(...bounds);
  return Number.isFinite(bound) ? bound : undefined;
}

/** Starts what is dead. From then on the answers are counted for the new processes. */
async function startDead(state: LifeState, plan: RoundPlan, figures: Figures): Promise<void> {
  const { deployment, workload, acknowledgedBy } = state;
  if (state.version === 1) figures.kills += await killWhileStarting(plan, deployment);
  const before = deployment.started.length;
  const isUnclear = before !== acknowledgedBy.processes;
  await deployment.start(plan.start);
  if (deployment.started.length === before) {
    if (isUnclear) acknowledgedBy.processes = -1;
    return;
  }
  collect(state, workload.takeTally());
  state.acknowledgedBy = { processes: deployment.started.length, tally: emptyTally() };
  state.hasForeignRecords = false;
}

/** A start that is killed before the start that counts. Gives the number of kills. */
async function killWhileStarting({ killStartAfterMs, start }: RoundPlan, { nodes }: Deployment): Promise<number> {
  const [node] = nodes;
  if (killStartAfterMs === undefined || node === undefined || node.service() !== undefined) return 0;
  const { child, exited } = launch({ dirs: node.dirs, ...start });
  await sleep(killStartAfterMs);
  child.kill('SIGKILL');
  await exited;
  return 1;
}

function emptyTally(): Tally {
  return { stored: 0, deadLettered: 0, rejected: 0, duplicate: 0, unknown: 0, latencies: [], others: new Map() };
}

/** Adds what was answered since the last call to the tally of the present processes. */
function collect(state: LifeState, taken: Tally): void {
  const { tally } = state.acknowledgedBy;
  for (const key of ['stored', 'deadLettered', 'rejected', 'duplicate', 'unknown'] as const) tally[key] += taken[key];
  tally.latencies.push(...taken.latencies);
  for (const [title, count] of taken.others) {
    state.othersOfRound.set(title, (state.othersOfRound.get(title) ?? 0) + count);
    state.others.set(title, (state.others.get(title) ?? 0) + count);
  }
}

interface Notes {
  readonly figures: Figures;
  readonly allowances: Allowance[];
  readonly notes: string[];
}

/** Lets the faults strike in the middle of the load, and ends the load. Gives the problems that the faults saw. */
async function strikeUnderLoad(state: LifeState, plan: RoundPlan, notes: Notes): Promise<string[]> {
  const { deployment, workload } = state;
  const random = createRandom(plan.seed);
  const { port } = deployment.receiver();
  let isOver = false;
  let isDone = false;
  // Version 2 accepts batches while its store is dead.
  const isLoadOver = () => isOver || deployment.nodes[0]?.service() === undefined;
  const load = workload
    .run(() => createClient(port, { connections: 1 }), { clients: CLIENTS, isOver: isLoadOver })
    .finally(() => {
      isDone = true;
    });
  const whenAcknowledged = (more: number) => waitForMore(state, more, () => isDone);
  const strike = (fault: Fault): Promise<void> => {
    const round: Round = {
      version: state.version,
      number: plan.number,
      random: random.fork(),
      node: random.pick(deployment.nodes),
      nodes: deployment.nodes,
      broker: deployment.broker,
      receiver: () => deployment.receiver(),
      damagedLines: () => state.store.damagedLines(),
      acknowledged: () => workload.acknowledged(),
      whenAcknowledged,
      endLoad: async () => {
        isOver = true;
        await load;
      },
      batches: workload,
      allow: (allowance) => void notes.allowances.push(allowance),
      note: (text) => void notes.notes.push(text),
      count: (figure, by = 1) => {
        notes.figures[figure] += by;
      },
    };
    return fault.strike(round);
  };
  const struck = await Promise.allSettled(plan.faults.map((fault) => strike(fault)));
  isOver = true;
  await load;
  return struck.flatMap((each, index) =>
    each.status === 'rejected' ? [`${plan.faults[index]?.name}: ${describe(each.reason)}`] : [],
  );
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function waitForMore({ workload }: LifeState, more: number, isDone: () => boolean): Promise<boolean> {
  let seen = workload.acknowledged();
  const target = seen + more;
  let deadline = performance.now() + NONE_FOR_MS;
  for (;;) {
    const now = workload.acknowledged();
    if (now >= target) return true;
    if (now > seen) [seen, deadline] = [now, performance.now() + NONE_FOR_MS];
    if (isDone() || performance.now() > deadline) return false;
    await sleep(1);
  }
}

/** Sends a request until it is acknowledged. Gives the time since `from`; throws when it takes too long. */
async function sendNext({ deployment, workload }: LifeState, from: number): Promise<number> {
  const client = createClient(deployment.receiver().port, { connections: 1 });
  try {
    const sending = workload.make({ keyed: true });
    for (;;) {
      const late = sleep(NEXT_REQUEST_WITHIN_MS, undefined, { ref: false });
      const outcome = await Promise.race([workload.post(client, sending), late]);
      const took = performance.now() - from;
      // A batch with an invalid record is answered 400.
      if (outcome?.status === 202 || outcome?.status === 400) return took;
      if (outcome === undefined || took > NEXT_REQUEST_WITHIN_MS) {
        throw new Error(
          `the next request was not served within 5 s: ${outcome?.status} ${outcome?.body ?? 'no answer'}`,
        );
      }
      await sleep(20);
    }
  } finally {
    client.close();
  }
}

/** Load without a fault: unanswered batches are sent again, and the service shows that it works. */
async function loadMore(state: LifeState): Promise<void> {
  const { deployment, workload } = state;
  const { port } = deployment.receiver();
  const target = workload.acknowledged() + AFTER_FAULTS;
  const begun = performance.now();
  await workload.run(() => createClient(port, { connections: 1 }), {
    clients: CLIENTS,
    isOver: () => workload.acknowledged() >= target || performance.now() > begun + NONE_FOR_MS,
  });
  collect(state, workload.takeTally());
  if (workload.acknowledged() < target) throw new Error('the load after the fault is not served');
}

function applyDamage(state: LifeState, allowances: readonly Allowance[]): void {
  const lines = allowances.flatMap(({ damagedLines = [] }) => damagedLines);
  if (lines.length > 0) state.store.allowDamage(lines);
  for (const { damageReports = [], forgottenKeys, foreignRecords } of allowances) {
    state.damageReports.push(...damageReports);
    if (forgottenKeys === true) {
      state.sent.forgetKeys();
      state.store.allowRepeats();
    }
    if (foreignRecords === true) state.hasForeignRecords = true;
  }
}

async function checkRound(state: LifeState, allowances: readonly Allowance[]): Promise<string[]> {
  const { deployment, workload, store, acknowledgedBy } = state;
  const { errors, statuses, exits } = allowancesOf(allowances);
  const rest = await deployment.rest({ thorough: false });
  const problems = [...workload.takeProblems(), ...(await store.readNew({ settled: rest === 'settled' }))];
  const isExact =
    state.version === 1 && !state.hasForeignRecords && acknowledgedBy.processes === deployment.started.length;
  for (const node of deployment.nodes) {
    const service = node.service();
    if (service === undefined) problems.push(`${node.name} has ended`);
    else problems.push(...(await checkAccounting(service, isExact ? acknowledgedBy.tally : undefined, state.version)));
  }
  for (const end of deployment.takeEnds()) {
    const problem = judgeEnd(end, exits);
    if (problem !== undefined) problems.push(problem);
  }
  for (const service of deployment.started) {
    const [text, read] = [service.logs(), state.logsRead.get(service) ?? 0];
    const whole = text.lastIndexOf('\n') + 1;
    problems.push(...judgeLog(text.slice(read, whole), errors));
    state.logsRead.set(service, Math.max(whole, read));
  }
  problems.push(...judgeStatuses(state, statuses));
  return problems;
}

/** Every end of a request that no fault of the round explains. */
function judgeStatuses({ othersOfRound }: LifeState, allowed: Required<Allowance>['statuses']): string[] {
  const problems: string[] = [];
  for (const [title, count] of othersOfRound) {
    const kind = title.startsWith('no ') ? 'none' : title.startsWith('503') ? 503 : undefined;
    if (kind !== undefined && !allowed.includes(kind)) problems.push(`${count} requests ended with: ${title}`);
  }
  othersOfRound.clear();
  return problems;
}
