import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { TestModule } from 'vitest/node';

const NONE = { passed: 0, failed: 0, skipped: 0 };

/**
 * Prints as the last line of a run, after the coverage table, how many tests passed and failed, so that programs can read it.
 * When the tests take two runs, the first writes its counts to the file TEST_COUNTS_OUT, and the second adds the counts of
 * TEST_COUNTS_IN to its own.
 */
export class CountReporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const { TEST_COUNTS_IN: before, TEST_COUNTS_OUT: out } = process.env;
    const counts = before === undefined ? { ...NONE } : (JSON.parse(readFileSync(before, 'utf8')) as typeof NONE);
    for (const module of modules) {
      // A file that cannot be loaded has no tests. It counts as failed.
      if (module.state() === 'failed' && module.errors().length > 0) counts.failed++;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') counts.passed++;
        else if (state === 'failed') counts.failed++;
        else counts.skipped++;
      }
    }
    if (out !== undefined) {
      mkdirSync(dirname(out), { recursive: true });
      writeFileSync(out, JSON.stringify(counts));
    }
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
    process.once('exit', () => process.stdout.write(`${counts.passed} passed, ${counts.failed} failed${skipped}\n`));
  }
}
