import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { freePort, runningBroker, stopBrokerProcess } from '../support/broker-process.ts';
import { REPOSITORY } from '../support/service.ts';

/** The work of `make kafka-up`, `kafka-topic` and `kafka-down` without a container engine. */
test('the broker of a checkout starts by its relative folder, has its topic, and stops', async () => {
  const checkout = await mkdtemp(join(tmpdir(), 'logforge-checkout-'));
  const dir = join(checkout, 'data/kafka');
  onTestFinished(async () => {
    await stopBrokerProcess(dir, 'SIGKILL');
    await rm(checkout, { recursive: true, force: true });
  });
  const port = String(await freePort());
  const kafka = async (command: string) => {
    const args = [join(REPOSITORY, 'scripts/kafka.ts'), command, '--port', port];
    return (await promisify(execFile)(process.execPath, args, { cwd: checkout })).stdout.trim();
  };

  expect(await kafka('start')).toMatch(new RegExp(`^the broker runs on localhost:${port}, pid \\d+$`));
  expect(await kafka('start')).toMatch(/^the broker runs already, pid \d+$/);
  expect(await kafka('topic')).toBe('topic logs exists');
  expect(await kafka('stop')).toMatch(/its data is kept$/);
  expect(await runningBroker(dir)).toBeUndefined();
});
