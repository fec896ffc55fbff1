import { expect, it } from 'vitest';
import { createAgentMetrics } from './agent-metrics.ts';

const COUNTS = {
  stored: 5,
  duplicates: 1,
  refused: 2,
  filtered: 3,
  unreadable: 4,
  retries: 6,
  files: 7,
  lagBytes: 8,
};

it('shows the counts of the moment that it is asked', async () => {
  let stored = 5;
  const { metricsText } = createAgentMetrics(() => ({ ...COUNTS, stored }));
  await metricsText();
  stored = 9;
  const lines = (await metricsText()).split('\n').filter((line) => line.startsWith('logforge_'));
  expect(lines).toEqual([
    'logforge_agent_records_total{outcome="stored"} 9',
    'logforge_agent_records_total{outcome="duplicate"} 1',
    'logforge_agent_records_total{outcome="refused"} 2',
    'logforge_agent_records_total{outcome="filtered"} 3',
    'logforge_agent_records_total{outcome="unreadable"} 4',
    'logforge_agent_retries_total 6',
    'logforge_agent_files 7',
    'logforge_agent_lag_bytes 8',
  ]);
});
