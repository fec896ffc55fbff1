import { gzipSync } from 'node:zlib';
import type { HostileClient } from '../attack.ts';
import { ask, post, repeat } from '../wire.ts';

const COLUMNS = 900;
const NAME_BYTES = 1_000;
const ROWS = 600;

/** CSV whose long column names stand in every stored line: 8 KB of gzip are half a gigabyte of lines. */
export const expansion: HostileClient = {
  name: 'expansion by names',
  phase: 'open',
  run: (attack) => repeat(attack, { everyMs: 2_000, atOnce: 2 }, () => ask(attack, REQUEST)),
};

function pack(): Buffer {
  const names = Array.from({ length: COLUMNS }, (_, i) => String(i).padStart(NAME_BYTES, 'n'));
  const row = `2026-02-01T00:00:00Z,/a,x${','.repeat(COLUMNS)}\n`;
  const csv = `timestamp,path,userAgent,${names.join(',')}\n${row.repeat(ROWS)}`;
  const body = gzipSync(csv, { level: 9 });
  return post(body, { 'Content-Type': 'text/csv', 'Content-Encoding': 'gzip' });
}

const REQUEST = pack();
