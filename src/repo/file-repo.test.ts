import { describe } from 'vitest';
import { appendSuite } from './repo-append.case.ts';
import { startSuite } from './repo-start.case.ts';

describe.each(['none', 'zstd'] as const)('a repo whose hours have compression %s', (compression) => {
  appendSuite(compression);
  startSuite(compression);
});
