import type { HostileClient } from '../attack.ts';
import { ask, post, repeat } from '../wire.ts';

/** A hundred invalid records beside a valid one, with a new Idempotency-Key each time: a long answer to remember. */
export const longAnswers: HostileClient = {
  name: 'long answers',
  phase: 'open',
  run: (attack) => {
    const valid = { timestamp: '2026-02-01T01:00:00Z', path: '/a', userAgent: 'b' };
    const invalid = { ...valid, timestamp: `no time: ${'x'.repeat(100)}` };
    const body = JSON.stringify([valid, ...Array(100).fill(invalid)]);
    let number = 0;
    return repeat(attack, { everyMs: 50, atOnce: 20 }, () => {
      const key = `long-answer-${number++}`.padEnd(255, '-');
      return ask(attack, postSkipping(body, key));
    });
  },
};

function postSkipping(body: string, key: string): Buffer {
  const request = post(body, { 'Idempotency-Key': key });
  return Buffer.from(request.toString().replace('POST /logs', 'POST /logs?invalid=skip'));
}
