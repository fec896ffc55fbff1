import { expect, test } from 'vitest';
import { createTestLog } from '../../../test/support/queues.ts';
import { type GroupAdmin, leaveForDead } from './dead-members.ts';

/** A group that answers with the next list of members each time, and then with the last again. */
function setUp(dead: readonly string[], ...answers: readonly (readonly string[] | Error)[]) {
  const steps: string[] = [];
  const log = createTestLog();
  let asked = 0;
  const openAdmin = (): GroupAdmin => {
    steps.push('open');
    return {
      async members() {
        const answer = answers[Math.min(asked++, answers.length - 1)] ?? [];
        if (answer instanceof Error) throw answer;
        steps.push(`members ${answer.join()}`);
        return answer;
      },
      leave: async (ids) => void steps.push(`leave ${ids.join()}`),
      close: async () => void steps.push('close'),
    };
  };
  const ids = { dead, add: () => undefined, forgetDead: () => void steps.push('forget') };
  const run = (signal = new AbortController().signal) => leaveForDead({ ids, openAdmin, log, signal });
  return { run, steps, log };
}

test('nothing is asked where nobody died', async () => {
  const { run, steps } = setUp([]);
  await run();
  expect(steps).toEqual([]);
});

test('the dead leave once another member is in the group, so that it is never empty', async () => {
  const { run, steps, log } = setUp(['a', 'b'], ['a', 'b'], ['a', 'b'], ['a', 'b', 'new']);
  await run();
  expect(steps).toEqual(['open', 'members a,b', 'members a,b', 'members a,b,new', 'leave a,b', 'forget', 'close']);
  expect(log.entries).toEqual(['info left the consumer group for consumers that died']);
});

test('members that live are left in the group, and the dead that are no longer there are forgotten', async () => {
  const { run, steps } = setUp(['a', 'b'], ['x', 'a', 'y']);
  await run();
  expect(steps).toEqual(['open', 'members x,a,y', 'leave a', 'forget', 'close']);
  const gone = setUp(['a'], ['x']);
  await gone.run();
  expect(gone.steps).toEqual(['open', 'members x', 'forget', 'close']);
});

test('a broker that fails is asked again, by a new client', async () => {
  const { run, steps, log } = setUp(['a'], new Error('no coordinator'), ['a', 'new']);
  await run();
  expect(steps).toEqual(['open', 'close', 'open', 'members a,new', 'leave a', 'forget', 'close']);
  expect(log.entries[0]).toBe('warn cannot remove the consumers of the last run from the group; trying again');
});

test('it ends with the queue', async () => {
  const stopping = new AbortController();
  const { run, steps } = setUp(['a'], ['a']);
  const running = run(stopping.signal);
  stopping.abort();
  await running;
  expect(steps.at(-1)).toBe('close');
  expect(steps).not.toContain('leave a');
});
