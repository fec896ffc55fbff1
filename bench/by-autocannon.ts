import autocannon from 'autocannon';
import type { LoadHooks, LoadOptions, LoadResult } from './load.ts';

const HEAD_END = '\r\n\r\n';

/** Sends the same requests by autocannon, whose figures are familiar. It needs more CPU time than load.ts. */
export async function runByAutocannon(
  requests: readonly Buffer[],
  { port, connections, pipelining, warmUpMs, durationMs }: LoadOptions,
  hooks: LoadHooks = {},
): Promise<LoadResult> {
  const parsed = requests.map(parseRequest);
  const url = `http://127.0.0.1:${port}`;
  const statuses = new Map<number, number>();
  const run = async (ms: number): Promise<autocannon.Result> => {
    statuses.clear();
    return autocannon({
      url,
      method: 'POST',
      connections,
      pipelining,
      duration: ms / 1000,
      requests: parsed,
      setupClient: (client) => client.on('response', (status) => statuses.set(status, (statuses.get(status) ?? 0) + 1)),
    });
  };
  await run(warmUpMs);
  hooks.onMeasureStart?.();
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  const { latency, errors } = await run(durationMs);
  const seconds = (performance.now() - start) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  hooks.onMeasureEnd?.();
  if (errors > 0) throw new Error(`cannot measure: autocannon had errors=${errors}`);
  const accepted = statuses.get(202) ?? 0;
  statuses.delete(202);
  const meanBytes = requests.reduce((sum, request) => sum + request.length, 0) / requests.length;
  return {
    accepted,
    otherAnswers: Object.fromEntries(statuses),
    seconds,
    bytes: Math.round(accepted * meanBytes),
    // Autocannon reports no 95th percentile.
    latencyMs: { p50: latency.p50, p95: latency.p97_5, p99: latency.p99, max: latency.max },
    generatorCpuSeconds: (cpu.user + cpu.system) / 1e6,
  };
}

function parseRequest(request: Buffer) {
  const end = request.indexOf(HEAD_END);
  const headers: Record<string, string> = {};
  const [first = '', ...lines] = request.toString('latin1', 0, end).split('\r\n');
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    // Autocannon sets these itself.
    if (name !== 'Host' && name !== 'Content-Length') headers[name] = line.slice(colon + 1).trim();
  }
  return { path: first.split(' ')[1] ?? '/logs', headers, body: request.subarray(end + HEAD_END.length) };
}
