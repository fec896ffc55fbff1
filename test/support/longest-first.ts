import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take long, in seconds on two busy cores. Vitest knows how long each took on this machine the last time. In an empty
 * clone it knows nothing, and would begin with the largest file: at the end one worker would run a long one, and the others none.
 * A long file that is missing here only costs time.
 */
const SECONDS: Readonly<Record<string, number>> = {
  'src/http/contract/http.test.ts': 123,
  'test/http-threads.test.ts': 111,
  'src/repo/file-repo.test.ts': 34,
  'src/decode/layout-scan.test.ts': 28,
  'src/http/contract/https.test.ts': 27,
  'src/repo/damage.test.ts': 21,
  'src/inputs/files/follow.test.ts': 17,
  'test/e2e/version2.test.ts': 180,
  'test/image/image.test.ts': 160,
  'test/crash/crash-v2.test.ts': 148,
  'test/browser/dashboard.test.ts': 136,
  'test/reliability/broker.test.ts': 132,
  'test/reliability/machine-faults.test.ts': 124,
  'test/e2e/version2-streams.test.ts': 117,
  'test/e2e/version2-outage.test.ts': 98,
  'test/reliability/reliability.test.ts': 88,
  'test/soak/soak.test.ts': 78,
  'test/e2e/streams.test.ts': 77,
  'test/browser/storage.test.ts': 73,
  'src/decode/stall.test.ts': 66,
  'test/e2e/version2-killed.test.ts': 62,
  'test/browser/streams.test.ts': 62,
  'test/kafka/group.test.ts': 60,
  'test/e2e/store.test.ts': 58,
  'src/decode/equality.test.ts': 58,
  'test/e2e/stop.test.ts': 53,
  'test/e2e/disk-full.test.ts': 51,
  'test/e2e/registry.test.ts': 51,
  'test/e2e/watch.test.ts': 49,
  'test/e2e/version2-group.test.ts': 46,
  'test/disk-model/kept.test.ts': 45,
  'test/e2e/log-reader.test.ts': 42,
  'test/kafka/outage.test.ts': 40,
  'test/kafka/killed-consumer.test.ts': 40,
};

/** Runs the files that take long first, the others in vitest's own order. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const root = this.ctx.config.root;
    const seconds = ({ moduleId }: TestSpecification) => SECONDS[moduleId.slice(root.length + 1)] ?? 0;
    return (await super.sort(files)).sort((a, b) => seconds(b) - seconds(a));
  }
}
