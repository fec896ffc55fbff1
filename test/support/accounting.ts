import { expect } from 'vitest';
import type { Client } from './client.ts';
import { eventually } from './storage.ts';

/** The records that a service received, by outcome. */
export interface Accounting {
  readonly received: number;
  readonly stored: number;
  readonly rejected: number;
  readonly deadLettered: number;
  readonly duplicate: number;
}

/** Reads the accounting from GET /metrics when nothing is in flight, and expects it to balance. */
export async function readBalancedAccounting(client: Client): Promise<Accounting> {
  return eventually(async () => {
    const { body } = await client.get('/metrics');
    const value = (sample: string): number => {
      const line = body.split('\n').find((text) => text.startsWith(`${sample} `));
      return line === undefined ? 0 : Number(line.slice(sample.length));
    };
    const outcome = (name: string) => value(`logforge_records_total{outcome="${name}"}`);
    expect(value('logforge_records_in_flight')).toBe(0);
    expect(value('logforge_http_in_flight_bytes')).toBe(0);
    expect(value('logforge_records_unaccounted')).toBe(0);
    const accounting = {
      received: value('logforge_records_received_total'),
      stored: outcome('stored'),
      rejected: outcome('rejected'),
      deadLettered: outcome('dead_lettered'),
      duplicate: outcome('duplicate'),
    };
    expect(accounting.stored + accounting.rejected + accounting.deadLettered + accounting.duplicate).toBe(
      accounting.received,
    );
    return accounting;
  });
}
