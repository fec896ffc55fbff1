/**
 * POST /logs by TLS beside plain HTTP: records a second and CPU, 16 connections, the service and the generator on this
 * machine. `node bench/https.ts [--seconds 10] [--rounds 1] [--threads 1]`, or `make bench-https`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { makeCertificates, type Pair } from '../test/support/certificates.ts';
import { makeDirs, removeDirs, startService } from '../test/support/service.ts';
import type { GeneratorInput, GeneratorOutput } from './generator.ts';

const CONNECTIONS = 16;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '1' },
    threads: { type: 'string', default: '1' },
  },
});

async function generate(input: GeneratorInput): Promise<GeneratorOutput> {
  const child = spawn(process.execPath, [new URL('./generator.ts', import.meta.url).pathname], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(input));
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  if (code !== 0) throw new Error(`the generator ended with ${code}`);
  return JSON.parse(output) as GeneratorOutput;
}

async function measure(batch: number, pair: Pair | undefined): Promise<void> {
  const dirs = await makeDirs('logforge-bench-');
  const service = await startService({
    dirs,
    env: {
      LOGFORGE_SERVER_THREADS: values.threads,
      ...(pair !== undefined && { LOGFORGE_SERVER_TLS_CERT: pair.cert, LOGFORGE_SERVER_TLS_KEY: pair.key }),
    },
  });
  try {
    const result = await generate({
      by: 'ours',
      workload: { stream: 'access', batch, format: 'json', encoding: 'plain', hours: 1 },
      load: {
        port: service.port,
        connections: CONNECTIONS,
        pipelining: 1,
        warmUpMs: 2_000,
        durationMs: Number(values.seconds) * 1_000,
        tls: pair !== undefined,
      },
      servicePid: service.pid,
    });
    const { accepted, seconds, serviceCpuSeconds, generatorCpuSeconds, othersCpuSeconds, latencyMs } = result;
    const records = accepted * batch;
    const perMillion = (cpu: number) => ((cpu / records) * 1e6).toFixed(2);
    console.log(
      `json ${batch}, ${pair === undefined ? 'plain' : 'TLS'}: ${Math.round(records / seconds).toLocaleString('en-US')} records/s, ` +
        `CPU s a million: service ${perMillion(serviceCpuSeconds)}, generator ${perMillion(generatorCpuSeconds)}; ` +
        `p50 ${latencyMs.p50.toFixed(1)} ms, p99 ${latencyMs.p99.toFixed(1)} ms; other programs used ${(othersCpuSeconds / seconds).toFixed(2)} CPUs`,
    );
  } finally {
    await service.stop();
    await removeDirs(dirs);
  }
}

const certificates = makeCertificates();
const pair = certificates.authority('ca').issue('server');
for (let round = 0; round < Number(values.rounds); round++) {
  for (const batch of [1_000, 1]) {
    await measure(batch, undefined);
    await measure(batch, pair);
  }
}
certificates.remove();
