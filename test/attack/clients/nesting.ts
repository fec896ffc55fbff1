import { gzipSync } from 'node:zlib';
import type { HostileClient } from '../attack.ts';
import { ask, post, repeat } from '../wire.ts';

const DEPTH = 2_000_000;

/** Millions of brackets and of objects in objects, in a few kilobytes of gzip. */
export const deepNesting: HostileClient = {
  name: 'deep nesting',
  phase: 'open',
  run: (attack) => repeat(attack, { everyMs: 2_000, atOnce: 4 }, () => ask(attack, attack.random.pick(REQUESTS))),
};

function pack(): Buffer[] {
  const record = '{"timestamp":"2026-02-01T02:00:00Z","path":"/a","userAgent":"b","x":';
  const bodies = ['['.repeat(DEPTH), '{"a":'.repeat(DEPTH), record + '['.repeat(DEPTH), record + '{"a":'.repeat(DEPTH)];
  return bodies.map((body) => post(gzipSync(body), { 'Content-Encoding': 'gzip' }));
}

const REQUESTS = pack();
