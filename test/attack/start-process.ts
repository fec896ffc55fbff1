import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { HonestPlan } from './honest.ts';
import type { HostilePlan } from './hostile.ts';

type ProcessPlan = HonestPlan | HostilePlan;

/** Starts honest.ts or hostile.ts as a process of its own. Its last line is its result as JSON. */
export function startProcess<Result>(file: string, plan: ProcessPlan) {
  const child = spawn(process.execPath, [join(import.meta.dirname, file), JSON.stringify(plan)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: Math.round((plan.seconds + 60) * 1_000),
  });
  const ready = once(child.stdout, 'data');
  const parts: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (part: string) => parts.push(part));
  const result = once(child, 'close').then(() => {
    const text = parts.join('');
    return JSON.parse(text.slice(text.indexOf('{'))) as Result;
  });
  return { ready, begin: () => child.stdin.end('go'), result };
}
