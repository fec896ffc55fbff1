import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** What a program that follows files and sends them has counted since its start; gauges are of now. */
export interface AgentCounts {
  /** Records that are stored where they go. */
  readonly stored: number;
  /** Records that were there already. */
  readonly duplicates: number;
  /** Records that were refused for their own sake. */
  readonly refused: number;
  /** Lines that a filter left out. */
  readonly filtered: number;
  /** Lines that could not be read. */
  readonly unreadable: number;
  readonly retries: number;
  /** Files that are followed. */
  readonly files: number;
  /** Bytes of those that are not delivered. */
  readonly lagBytes: number;
}

export const AGENT_OUTCOMES = ['stored', 'duplicate', 'refused', 'filtered', 'unreadable'] as const;

export interface AgentMetrics {
  readonly registry: Registry;
  metricsText(): Promise<string>;
}

/** The metrics of such a program, in the Prometheus text format, read from `counts` when they are asked for. */
export function createAgentMetrics(counts: () => AgentCounts): AgentMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const records = new Counter({
    name: 'logforge_agent_records_total',
    help: 'Records and lines of followed files, by their outcome',
    labelNames: ['outcome'],
    registers,
  });
  const retries = new Counter({
    name: 'logforge_agent_retries_total',
    help: 'Requests that were sent again',
    registers,
  });
  const files = new Gauge({ name: 'logforge_agent_files', help: 'Files that are followed', registers });
  const lag = new Gauge({
    name: 'logforge_agent_lag_bytes',
    help: 'Bytes of followed files that are not delivered yet',
    registers,
  });

  return {
    registry,
    metricsText() {
      const { stored, duplicates, refused, filtered, unreadable, ...others } = counts();
      records.reset();
      const values = [stored, duplicates, refused, filtered, unreadable];
      for (const [i, outcome] of AGENT_OUTCOMES.entries()) records.inc({ outcome }, values[i] ?? 0);
      retries.reset();
      retries.inc(others.retries);
      files.set(others.files);
      lag.set(others.lagBytes);
      return registry.metrics();
    },
  };
}
