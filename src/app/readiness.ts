import type { Repo } from '../repo/repo.ts';
import type { RetentionRunner } from '../service/retention.ts';
import type { CheckReadiness } from '../service/service.ts';

type Probes = Readonly<Record<string, () => Promise<unknown>>>;

/** What GET /ready asks. A probe passes when it resolves. */
export function createReadinessCheck(parts: {
  readonly probes: Probes;
  readonly repo: Pick<Repo, 'damage'>;
  readonly retention: Pick<RetentionRunner, 'status'>;
}): CheckReadiness {
  const { probes, repo, retention } = parts;
  return async function checkReadiness() {
    return { ...(await checkAll(probes)), ...(await checkDamage(repo)), ...describeRetention(retention) };
  };
}

export async function checkAll(probes: Probes): Promise<Record<string, { ok: boolean; detail: string }>> {
  const checks = Object.entries(probes).map(async ([name, probe]) => {
    try {
      const found = await probe();
      return [name, { ok: true, detail: typeof found === 'string' ? found : 'ok' }] as const;
    } catch (error) {
      return [name, { ok: false, detail: error instanceof Error ? error.message : String(error) }] as const;
    }
  });
  return Object.fromEntries(await Promise.all(checks));
}

/** Damage is named, and does not fail the check: what can be served is served. */
async function checkDamage(repo: Pick<Repo, 'damage'>): Promise<Record<string, { ok: boolean; detail: string }>> {
  const detail = await repo.damage();
  return detail === undefined ? {} : { damage: { ok: true, detail } };
}

/** What retention cannot do is named, and does not fail the check: records are stored. */
function describeRetention(
  retention: Pick<RetentionRunner, 'status'>,
): Record<string, { ok: boolean; detail: string }> {
  const detail = retention.status();
  return detail === undefined ? {} : { retention: { ok: true, detail } };
}
