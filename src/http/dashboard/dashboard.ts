import type { HourTotals } from '../../analytics/analytics.ts';
import type { Live } from '../../live/live.ts';

/** What the dashboard and the event streams show. */
export interface DashboardData {
  readonly live: Live;
  readonly hourTotals: HourTotals;
  /** The effective configuration, its secrets masked. */
  readonly settings: Readonly<Record<string, unknown>>;
}
