import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { INSTALL_TIMEOUT_MS } from '../support/debian.ts';
import { knownSeries, seriesIn } from '../support/metric-names.ts';
import { ensurePrometheus, promtool } from '../support/prometheus.ts';
import { REPOSITORY } from '../support/service.ts';

const FOLDER = join(REPOSITORY, 'deploy/prometheus');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

interface RuleTest {
  readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly unknown[] }[];
}

function read<T>(file: string): T {
  // Files of this repository, which promtool checks in the tests below.
  return parse(readFileSync(join(FOLDER, file), 'utf8')) as T;
}

const rules = read<{ groups: { rules: Rule[] }[] }>('alerts.yml').groups.flatMap((group) => group.rules);
const ruleTests = read<{ tests: RuleTest[] }>('alerts.test.yml').tests.flatMap((test) => test.alert_rule_test);

describe('promtool', () => {
  beforeAll(ensurePrometheus, INSTALL_TIMEOUT_MS);

  const passes = (...args: string[]) =>
    it(`${args.slice(0, 2).join(' ')} passes`, async () => {
      const { code, output } = await promtool(...args);
      expect(output).not.toContain('FAILED');
      expect(code).toBe(0);
    });

  passes('check', 'config', join(FOLDER, 'prometheus.yml'));
  passes('check', 'rules', join(FOLDER, 'alerts.yml'));
  passes('test', 'rules', join(FOLDER, 'alerts.test.yml'));
});

describe('every alert', () => {
  for (const { alert, expr, labels, annotations } of rules) {
    describe(alert, () => {
      const tests = ruleTests.filter(({ alertname }) => alertname === alert);

      it('has a test that it fires, and one that it stays quiet', () => {
        expect(tests.some((test) => test.exp_alerts.length > 0)).toBe(true);
        expect(tests.some((test) => test.exp_alerts.length === 0)).toBe(true);
      });

      it('uses metrics that exist', async () => {
        const known = await knownSeries();
        expect(seriesIn(expr).filter((name) => !known.has(name))).toEqual([]);
        expect(seriesIn(expr).length + Number(expr.startsWith('up{'))).toBeGreaterThan(0);
      });

      it('has a severity, and a paragraph in the runbook', () => {
        expect(['page', 'ticket']).toContain(labels.severity);
        const page = readFileSync(join(REPOSITORY, 'docs/operations.md'), 'utf8');
        expect(annotations.runbook).toBe(`docs/operations.md#${alert.toLowerCase()}`);
        expect(page.split('\n')).toContain(`### ${alert}`);
      });
    });
  }

  it('that is tested exists', () => {
    const names = rules.map(({ alert }) => alert);
    expect(ruleTests.map(({ alertname }) => alertname).filter((name) => !names.includes(name))).toEqual([]);
  });
});
