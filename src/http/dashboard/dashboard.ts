import type { HourTotals } from '../../analytics/analytics.ts';
import type { Live } from '../../live/live.ts';
import type { ReadDiskUse } from '../../model/disk-use.ts';

/** What the dashboard and the event streams show. */
export interface DashboardData {
  readonly live: Live;
  readonly hourTotals: HourTotals;
  readonly diskUse: ReadDiskUse;
  /** The effective configuration, its secrets masked. */
  readonly settings: Readonly<Record<string, unknown>>;
}
