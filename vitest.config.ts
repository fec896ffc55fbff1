import { defineConfig } from 'vitest/config';
import { CountReporter } from './test/support/count-reporter.ts';
import { LongestFirst } from './test/support/longest-first.ts';

// Vitest asks its configuration for a default export: the one place in the project that has one.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Starts nothing by itself: a broker comes with the first test that asks for it.
    globalSetup: ['test/support/shared-broker.ts'],
    sequence: { sequencer: LongestFirst },
    // Tests that wait for the same outage run at the same time.
    maxConcurrency: 16,
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // The first broker of a machine writes its archive of classes at the end.
    teardownTimeout: 60_000,
    reporters: ['default', new CountReporter()],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      // Tests themselves. What runs only in threads and processes of its own counts as not run: this does not look there.
      exclude: ['src/**/*.test.ts', 'src/**/*.case.ts'],
      reporter: ['text-summary', 'html'],
      thresholds: { lines: 90 },
    },
  },
});
