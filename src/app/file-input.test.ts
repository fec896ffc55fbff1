import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createTestLog } from '../../test/support/queues.ts';
import { loadConfig } from '../config/config.ts';
import { openCheckpoint } from '../inputs/files/checkpoint.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { BUILTIN_SCHEMAS } from '../model/builtin-schemas.ts';
import { FirstHours } from '../model/first-hours.ts';
import { createAccounting } from '../service/accounting.ts';
import { createKindTally } from '../service/kind-tally.ts';
import { createFileInput } from './file-input.ts';

it('closes its checkpoint again where a pattern cannot be read', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'logforge-file-input-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { config } = loadConfig({
    text: `storage: {stateDir: "${folder}"}\ninputs: [{name: web, type: file, stream: access, format: auto, paths: ["${folder}/[z-a].log"]}]\n`,
  });
  const metrics = createMetrics({ defaultMetrics: false, inputs: ['web'] });
  const parts = {
    config,
    schemas: BUILTIN_SCHEMAS,
    firstHours: new FirstHours(['access']),
    deliver: async () => ({ durability: 'disk' as const }),
    metrics,
    log: createTestLog(),
    positionOf: () => undefined,
  };
  const counts = { accounting: createAccounting(metrics), tally: createKindTally({ metrics, clock: () => 0 }) };
  const [settings] = config.inputs;
  if (settings === undefined) throw new Error('no input');
  const input = createFileInput(parts, settings, counts);
  await expect(input.start()).rejects.toThrow('cannot read the pattern');
  const checkpoint = await openCheckpoint(join(folder, 'inputs/web.checkpoint'), { stream: 'access', warn() {} });
  await checkpoint.close();
});
