import { createClient } from '../support/client.ts';
import { createRandom } from '../support/random.ts';
import { runLogforge } from '../support/run.ts';
import { createSentBatches } from '../support/sent-batches.ts';
import { type Dirs, serviceEnv } from '../support/service.ts';
import { eventually, readSummaries } from '../support/storage.ts';
import { LOAD_STREAMS } from '../support/streams.ts';
import { createWorkload } from '../support/workload.ts';
import { allowancesOf, type LifeState } from './life-state.ts';
import { judgeEnd, judgeLog } from './process-checks.ts';
import type { Deployment, LifePlan, RoundResult } from './reliability.ts';
import { runRound } from './round.ts';
import { createStoreCheck } from './store-check.ts';

/** What a life showed, besides its rounds. */
export interface LifeResult {
  readonly rounds: readonly RoundResult[];
  /** What was broken at the end of the life, or stopped it. */
  readonly problems: readonly string[];
  readonly totals: ReturnType<ReturnType<typeof createSentBatches>['totals']>;
  /** Ends of requests other than 202, by the title of the answer. */
  readonly others: ReadonlyMap<string, number>;
}

const SUMMARISED_WITHIN_MS = 20_000;
const INVALID_SHARE = 0.06;

/** Runs the rounds of a plan on a deployment, until one of them shows a problem. Does not dispose of the deployment. */
export async function runLife(
  plan: Pick<LifePlan, 'version' | 'rounds'>,
  { deployment, onRound }: { readonly deployment: Deployment; readonly onRound?: (result: RoundResult) => void },
): Promise<LifeResult> {
  const { version } = plan;
  const sent = createSentBatches();
  const random = createRandom(plan.rounds[0]?.seed ?? 0);
  const workload = createWorkload(random, sent, {
    streams: LOAD_STREAMS,
    ...(version === 1 ? { invalid: INVALID_SHARE } : { refusal: 'open' }),
  });
  const { storeDirs, keepsOrder } = deployment;
  const store = createStoreCheck({ dirs: storeDirs, sent, workload, keepsOrder });
  const state: LifeState = {
    version,
    deployment,
    sent,
    workload,
    store,
    others: new Map(),
    othersOfRound: new Map(),
    logsRead: new Map(),
    damageReports: [],
    hasForeignRecords: false,
    acknowledgedBy: { processes: 0, tally: workload.takeTally() },
  };
  const rounds: RoundResult[] = [];
  for (const round of plan.rounds) {
    const result = await runRound(state, round);
    rounds.push(result);
    onRound?.(result);
    if (result.problems.length > 0) return { rounds, problems: [], totals: sent.totals(), others: state.others };
  }
  const problems = await endLife(state).catch((error: unknown) => [String(error)]);
  return { rounds, problems, totals: sent.totals(), others: state.others };
}

/** Sends what is unanswered, waits for the summaries, stops, reads the whole store again, and asks `logforge verify`. */
async function endLife(state: LifeState): Promise<string[]> {
  const { deployment, workload, store } = state;
  const client = createClient(deployment.receiver().port);
  await workload.settle(client);
  client.close();
  await deployment.rest({ thorough: true });
  const problems = [...workload.takeProblems(), ...(await store.readNew())];
  // Lines that a fault damaged are counted as they are now.
  if (state.damageReports.length === 0) problems.push(...(await checkSummaries(state)));
  await deployment.stop();
  const allowed = allowancesOf([]);
  for (const end of deployment.takeEnds()) {
    const problem = judgeEnd(end, allowed.exits);
    if (problem !== undefined) problems.push(problem);
  }
  store.startOver();
  problems.push(...(await store.readNew()));
  for (const service of deployment.started) {
    problems.push(...judgeLog(service.logs().slice(state.logsRead.get(service) ?? 0), allowed.errors));
  }
  problems.push(...(await verify(deployment.storeDirs, state.damageReports)));
  return problems;
}

async function checkSummaries({ deployment, store }: LifeState): Promise<string[]> {
  try {
    await eventually(async () => {
      const summaries = await readSummaries(deployment.storeDirs);
      for (const [hour, count] of store.lines()) {
        const total = summaries.get(hour)?.totalRequests;
        if (total !== count) throw new Error(`the summary of ${hour} counts ${total} records; its file has ${count}`);
      }
    }, SUMMARISED_WITHIN_MS);
    return [];
  } catch (error) {
    return [String(error)];
  }
}

/** `logforge verify` finds nothing, or all that was damaged on purpose. */
async function verify(dirs: Dirs, expected: readonly RegExp[]): Promise<string[]> {
  const { code, stdout, stderr } = await runLogforge(['verify'], { env: serviceEnv(dirs) });
  if (expected.length === 0) {
    return code === 0 ? [] : [`logforge verify ended with ${code}\n${stdout.slice(-3_000)}${stderr.slice(-1_000)}`];
  }
  const missing = expected.filter((report) => !report.test(stdout));
  return missing.map((report) => `logforge verify does not report ${report}\n${stdout.slice(-3_000)}`);
}
