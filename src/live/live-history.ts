import type { LiveHistory, LiveStats } from './live.ts';

const COLUMNS = ['time', 'accepted', 'refused', 'batches', 'bytes', 'p50', 'p99'] as const;
type Column = (typeof COLUMNS)[number];

/** The past of LiveStats, in a ring of `rows` rows. Each row stands for `stepSeconds` samples: their means, and the worst p99. */
export function createLiveHistory({ stepSeconds, rows }: { readonly stepSeconds: number; readonly rows: number }) {
  const ring = new Map<Column, Float64Array>(COLUMNS.map((name) => [name, new Float64Array(rows)]));
  /** Rows written since the beginning. */
  let written = 0;
  let open: (readonly number[])[] = [];

  return {
    add({ time, rates, latency }: LiveStats): void {
      const refused = rates.refusedBatches + rates.failedBatches;
      const { accepted, batches, bytes } = rates;
      open.push([
        time / 1_000,
        accepted,
        refused,
        batches,
        bytes,
        latency?.p50 ?? Number.NaN,
        latency?.p99 ?? Number.NaN,
      ]);
      if (open.length < stepSeconds) return;
      for (const [i, name] of COLUMNS.entries()) {
        const values = open.map((row) => row[i] ?? 0);
        const column = ring.get(name);
        if (column !== undefined) column[written % rows] = summarise[name](values);
      }
      written += 1;
      open = [];
    },

    read(): LiveHistory {
      const column = (name: Column): number[] => {
        const values = ring.get(name) ?? new Float64Array();
        const filled = Math.min(written, rows);
        return Array.from({ length: filled }, (_, i) => values[(written - filled + i) % rows] ?? 0);
      };
      const nullable = (name: Column) => column(name).map((value) => (Number.isNaN(value) ? null : value));
      return {
        stepSeconds,
        time: column('time'),
        accepted: column('accepted'),
        refused: column('refused'),
        batches: column('batches'),
        bytes: column('bytes'),
        p50: nullable('p50'),
        p99: nullable('p99'),
      };
    },
  };
}

export type LiveHistoryRing = ReturnType<typeof createLiveHistory>;

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const known = (values: readonly number[]): number[] => values.filter((value) => !Number.isNaN(value));

const summarise: Readonly<Record<Column, (values: readonly number[]) => number>> = {
  time: (values) => values.at(-1) ?? 0,
  accepted: mean,
  refused: mean,
  batches: mean,
  bytes: mean,
  p50: (values) => mean(known(values)),
  p99: (values) => (known(values).length === 0 ? Number.NaN : Math.max(...known(values))),
};
