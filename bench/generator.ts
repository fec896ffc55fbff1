/**
 * The load generator as a separate process: one JSON object on stdin, one on stdout. suite.ts starts it. By hand:
 * `echo '{"by":"ours","workload":{…},"load":{…},"servicePid":123}' | node bench/generator.ts`
 */
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { runByAutocannon } from './by-autocannon.ts';
import { type LoadOptions, type LoadResult, runLoad } from './load.ts';
import { readCpuSeconds, TICKS } from './processes.ts';
import { makeRequests, type Workload } from './workload.ts';

export interface GeneratorInput {
  readonly by: 'ours' | 'autocannon';
  readonly workload: Workload;
  readonly load: LoadOptions;
  readonly servicePid: number;
}

export interface GeneratorOutput extends LoadResult {
  /** CPU seconds of the service, all its threads, user and system, in the measured time. */
  readonly serviceCpuSeconds: number;
  /** When the measured time began and ended, Unix ms. */
  readonly from: number;
  readonly to: number;
  /** CPU seconds of all other programs, the hypervisor's other guests included. They distort the figures. */
  readonly othersCpuSeconds: number;
}

/** CPU seconds of the whole machine that were not idle: the first line of /proc/stat, without idle and iowait (proc_stat(5)). */
function readBusySeconds(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] =
    readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]?.split(/ +/).slice(1).map(Number) ?? [];
  return (user + nice + system + irq + softirq + steal) / TICKS;
}

const { by, workload, load, servicePid } = JSON.parse(await text(process.stdin)) as GeneratorInput;
let serviceCpuSeconds = 0;
let busySeconds = 0;
let [from, to] = [0, 0];
const run = by === 'ours' ? runLoad : runByAutocannon;
const result = await run(makeRequests(workload), load, {
  onMeasureStart: () => {
    from = Date.now();
    serviceCpuSeconds = -readCpuSeconds(servicePid);
    busySeconds = -readBusySeconds();
  },
  onMeasureEnd: () => {
    to = Date.now();
    serviceCpuSeconds += readCpuSeconds(servicePid);
    busySeconds += readBusySeconds();
  },
});
const othersCpuSeconds = Math.max(0, busySeconds - serviceCpuSeconds - result.generatorCpuSeconds);
const output: GeneratorOutput = { ...result, from, to, serviceCpuSeconds, othersCpuSeconds };
process.stdout.write(`${JSON.stringify(output)}\n`);
