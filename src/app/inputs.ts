import type { Input } from '../inputs/inputs.ts';
import { systemClock } from '../model/clock.ts';
import type { KindSamples } from '../model/record-kinds.ts';
import type { Lifecycle } from '../runtime/lifecycle.ts';
import { type Accounting, createAccounting } from '../service/accounting.ts';
import { createKindTally } from '../service/kind-tally.ts';
import { createFileInput, type FileInputParts } from './file-input.ts';
import { takesFrames } from './input-config.ts';
import { createInputFlow } from './input-flow.ts';
import { createFraming, createInput } from './kinds.ts';

export interface InputsParts extends FileInputParts {
  readonly lifecycle: Lifecycle;
}

export interface Inputs {
  /** For /ready: each gives what a reader should know, or rejects. */
  readonly checks: Readonly<Record<string, () => Promise<string>>>;
  readonly accountings: readonly Accounting[];
  /** The last lines that they took. */
  lines(): KindSamples;
  /** Counts what only the kernel knows. Never rejects. */
  refresh(): Promise<void>;
  /** Starts all, in order. Rejects, with what to do, when one cannot. */
  start(): Promise<void>;
}

/** Makes the inputs of the configuration. */
export function createInputs(parts: InputsParts): Inputs {
  const { config, lifecycle, log } = parts;
  const accounting = createAccounting(parts.metrics);
  const tally = createKindTally({ metrics: parts.metrics, clock: systemClock });
  const inputs = config.inputs.map((input): Input => {
    if (!takesFrames(input)) return createFileInput(parts, input, { accounting, tally });
    const framing = createFraming(input);
    return createInput({
      config: input,
      flow: createInputFlow(parts, input, framing, { accounting, tally }),
      framing,
      log,
    });
  });
  return {
    checks: Object.fromEntries(inputs.map((input) => [`input:${input.name}`, () => check(input)])),
    accountings: inputs.length === 0 ? [] : [accounting],
    lines: tally.samples,
    async refresh() {
      await Promise.allSettled(inputs.map(async (input) => input.refresh?.()));
    },
    async start() {
      const started: Input[] = [];
      lifecycle.started('inputs', (budgetMs) => stopAll(started, budgetMs - Math.min(1_000, budgetMs / 4)));
      for (const input of inputs) {
        const where = await input.start();
        started.push(input);
        log.info('an input is open', { input: input.name, where });
      }
    },
  };
}

/** All at once, so that each has the whole time. Rejects with the names of those of which not all was delivered. */
async function stopAll(inputs: readonly Input[], graceMs: number): Promise<void> {
  const stops = await Promise.allSettled(inputs.map(async (input) => input.stop(graceMs)));
  const failed = stops.flatMap((stop, i) =>
    stop.status === 'rejected'
      ? [`${inputs[i]?.name}: ${stop.reason instanceof Error ? stop.reason.message : stop.reason}`]
      : [],
  );
  if (failed.length > 0) throw new Error(`cannot deliver all of inputs: ${failed.join('; ')}`);
}

async function check(input: Input): Promise<string> {
  await input.check();
  return input.detail?.() ?? 'ok';
}
