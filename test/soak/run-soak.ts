import { writeFile } from 'node:fs/promises';
import { planSoak } from './plan.ts';
import { findFaults, renderSoak } from './report.ts';
import { LEAK, runSoak } from './soak.ts';

/* `make soak MINUTES=20 SEED=1 VERSION=1`: see plan.ts. REPORT=path also writes everything, each sample included, as JSON. LEAK=1 preloads a leak of 1 MB a second. */

const minutes = Number(process.env.MINUTES ?? 20);
const seed = Number(process.env.SEED ?? 1);
const version = process.env.VERSION === '2' ? 2 : 1;
const report = process.env.REPORT ?? '';
if (!(minutes > 0)) throw new Error(`cannot soak for MINUTES=${process.env.MINUTES}: give a number above 0`);

const plan = planSoak({ version, seconds: minutes * 60, seed });
const lengths = plan.stretches.map(({ cycles, signal }) => `${cycles} cycles, ${signal}`).join('; ');
console.log(`soak: version ${version}, ${minutes} minutes, seed ${seed}: ${lengths}`);
const leak = process.env.LEAK ?? '';
const env = leak === '' ? {} : { NODE_OPTIONS: `--import=${LEAK}`, SOAK_LEAK_MB: leak };
const result = await runSoak(plan, { env, say: (line) => console.log(line) });
console.log(renderSoak(result));
const faults = findFaults(result);
if (report !== '') await writeFile(report, JSON.stringify({ minutes, passed: faults.length === 0, faults, ...result }));
if (faults.length > 0) process.exitCode = 1;
