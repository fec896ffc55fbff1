import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestLog } from '../../../test/support/queues.ts';
import { createMetrics } from '../../metrics/metrics.ts';
import { describeQueueContract } from '../queue-contract.case.ts';
import { openSpool } from './spool.ts';

describeQueueContract('the disk spool', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'logforge-spool-'));
  const metrics = createMetrics({ defaultMetrics: false });
  return {
    open: () => openSpool({ dir, maxBytes: 64 * 1024 * 1024, metrics, log: createTestLog() }),
    tooLargeBytes: 64 * 1024 * 1024,
    dispose: () => rm(dir, { recursive: true, force: true }),
  };
});
