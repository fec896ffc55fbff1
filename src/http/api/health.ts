import type { CheckReadiness } from '../../service/service.ts';
import { hidePaths } from '../hide-paths.ts';
import type { Problem } from '../problem.ts';

type Checks = Awaited<ReturnType<CheckReadiness>>;

/** GET /ready: the checks when all pass, else a problem that names the failing ones. */
export async function answerReady(checkReadiness: CheckReadiness, isDraining: boolean): Promise<Checks | Problem> {
  const checks: Checks = isDraining
    ? { ...(await checkReadiness()), draining: { ok: false, detail: 'the service is shutting down' } }
    : await checkReadiness();
  const failing = Object.entries(checks).flatMap(([name, { ok, detail }]) =>
    ok ? [] : [[name, { ok, detail: hidePaths(detail) }] as const],
  );
  if (failing.length === 0) return checks;
  return {
    kind: 'not-ready',
    detail: failing.map(([name, { detail }]) => `${name}: ${detail}`).join('; '),
    extra: { checks: Object.fromEntries(failing) },
  };
}
