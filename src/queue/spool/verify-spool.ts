import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DamagedRange } from '../../disk/scan-log.ts';
import { SEGMENT_NAMES, scanBatches } from './spool-format.ts';

export interface SpoolSegmentFinding {
  readonly path: string;
  readonly entries: number;
  readonly damage: readonly DamagedRange[];
  readonly tornBytes: number;
}

/** Reads the spool of a service that does not run, and changes nothing. */
export async function* verifySpool(stateDir: string): AsyncGenerator<SpoolSegmentFinding> {
  const dir = join(stateDir, 'spool');
  if (!existsSync(dir)) return;
  for (const first of await SEGMENT_NAMES.list(dir)) {
    const path = join(dir, SEGMENT_NAMES.of(first));
    const { entries, damage, tornBytes } = scanBatches(readFileSync(path), { start: 0, first });
    yield { path, entries: entries.length, damage, tornBytes };
  }
}
