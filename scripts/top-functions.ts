/** https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile */
interface CpuProfile {
  readonly nodes: readonly {
    readonly hitCount: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
}

/** Samples in which the thread waits. */
const WAITING = new Set(['(idle)', '(root)']);

/** The functions with the most samples of a CPU profile, as lines of text, the largest first. */
export function topFunctions(profile: string, { rows = 10 }: { readonly rows?: number } = {}): string {
  const { nodes } = JSON.parse(profile) as CpuProfile;
  const hits = new Map<string, number>();
  let total = 0;
  for (const { hitCount, callFrame } of nodes) {
    const { functionName, url, lineNumber } = callFrame;
    if (WAITING.has(functionName)) continue;
    const place = url === '' ? '' : `  ${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`;
    const name = `${functionName || '(anonymous)'}${place}`;
    hits.set(name, (hits.get(name) ?? 0) + hitCount);
    total += hitCount;
  }
  const sorted = [...hits].sort(([, a], [, b]) => b - a).slice(0, rows);
  return sorted.map(([name, count]) => `${((count / total) * 100).toFixed(1).padStart(6)} %  ${name}\n`).join('');
}
