import type { Answer } from '../../support/workload.ts';
import type { Fault, Round } from '../reliability.ts';
import { send } from '../send.ts';

/** One batch with its key on several connections at once; then its key with another body. */
export const duplicates: Fault = {
  name: 'duplicates',
  versions: [1, 2],
  weight: 2,
  kind: 'disturbs',
  async strike(round) {
    const { random, receiver, whenAcknowledged, batches } = round;
    const { port } = receiver();
    for (let turn = random.int(1, 4); turn > 0; turn--) {
      if (!(await whenAcknowledged(random.int(0, 10)))) return;
      const batch = batches.make({ keyed: true, isValid: true });
      const answers = await Promise.all(Array.from({ length: random.int(2, 6) }, () => send(port, batch)));
      for (const answer of answers) batches.answered(batch, answer);
      const first = answers.filter((answer) => answer.status === 202 && !isReplayed(answer)).length;
      if (answers.every(({ status }) => status === 202) && first !== 1) {
        throw new Error(`batch ${batch.number} was sent ${answers.length} times at once and stored ${first} times`);
      }
      if (answers.some(({ status }) => status === 202)) await expectConflict(round, port, batch.key);
    }
  },
};

/** A key that was answered before a kill: the same answer after it, and no other body under it. */
export const repeatAfterKill: Fault = {
  name: 'repeat-after-kill',
  versions: [1],
  weight: 1,
  kind: 'ends',
  async strike(round) {
    const { random, node, receiver, whenAcknowledged, batches, allow, count } = round;
    allow({ statuses: ['none'] });
    await whenAcknowledged(random.int(0, 20));
    if (node.service() === undefined) return;
    const batch = batches.make({ keyed: true, isValid: true });
    const answer = await send(receiver().port, batch);
    batches.answered(batch, answer);
    await node.end('SIGKILL');
    count('kills');
    await node.start();
    const again = await send(receiver().port, batch);
    batches.answered(batch, again);
    if (answer.status !== 202) return;
    if (again.body !== answer.body || !isReplayed(again)) {
      throw new Error(
        `batch ${batch.number} was answered ${answer.body}, and after a kill ${again.status} ${again.body}`,
      );
    }
    await expectConflict(round, receiver().port, batch.key);
  },
};

function isReplayed({ headers }: Answer): boolean {
  return headers['idempotency-replayed'] === 'true';
}

async function expectConflict({ batches }: Round, port: number, key: string | undefined): Promise<void> {
  const other = batches.make({ keyed: false, isValid: true });
  const { status, body } = await send(port, other, key === undefined ? {} : { key });
  // It must not be stored.
  batches.answered(other, 'incomplete');
  if (![422, 503, 0].includes(status))
    throw new Error(`another body under the key ${key} was answered ${status} ${body}`);
}
