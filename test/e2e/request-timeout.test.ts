import { expect, it, onTestFinished } from 'vitest';
import { hourToIso } from '../../src/model/hour.ts';
import { readBalancedAccounting } from '../support/accounting.ts';
import { createClient } from '../support/client.ts';
import { type Dirs, makeDirs, removeDirs, startService } from '../support/service.ts';

/** Each record in an hour of its own: the commit makes and syncs as many files, which takes many times the timeout; decoding them takes less. */
const RECORDS = 900;
const BODY = Array.from(
  { length: RECORDS },
  (_, i) => `{"timestamp":"${hourToIso(i)}","path":"/${i}","userAgent":"curl/8"}\n`,
).join('');
const HEADERS = { 'Content-Type': 'application/x-ndjson', 'Idempotency-Key': 'large' };

async function start(dirs: Dirs, env: Readonly<Record<string, string>> = {}) {
  const service = await startService({ dirs, env });
  const client = createClient(service.port);
  const stop = async () => {
    client.close();
    await service.stop();
  };
  onTestFinished(stop);
  return { ...client, service, stop };
}

it('answers 503 when server.requestTimeout is over, stores the batch, and knows its key after a restart', async () => {
  const dirs = await makeDirs();
  onTestFinished(() => removeDirs(dirs));

  const hasty = await start(dirs, { LOGFORGE_SERVER_REQUEST_TIMEOUT: '40ms' });
  const answer = await hasty.post(BODY, HEADERS);
  expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1']);
  expect(JSON.parse(answer.body).detail).toContain('within 40 ms (server.requestTimeout)');
  expect(await readBalancedAccounting(hasty)).toMatchObject({ received: RECORDS, stored: RECORDS });
  expect(hasty.service.logs()).toContain('a batch was accepted after its request was answered 503');
  await hasty.stop();

  const patient = await start(dirs);
  const retry = await patient.post(BODY, HEADERS);
  expect([retry.status, retry.headers['idempotency-replayed']]).toEqual([202, 'true']);
  expect(await readBalancedAccounting(patient)).toMatchObject({ stored: 0, duplicate: RECORDS });
});
