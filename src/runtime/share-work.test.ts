import { expect, it, vi } from 'vitest';
import { shareWork } from './share-work.ts';

it('answers all that ask before the work begins by one call, and others by the next', async () => {
  const begun = vi.fn<() => void>();
  const gates: (() => void)[] = [];
  const share = shareWork(async () => {
    begun();
    const number = begun.mock.calls.length;
    await new Promise<void>((resolve) => gates.push(resolve));
    return number;
  }, 0);
  const first = [share(), share()];
  await vi.waitFor(() => expect(gates).toHaveLength(1));
  const second = [share(), share(), share()];
  expect(begun).toHaveBeenCalledTimes(1);
  gates[0]?.();
  expect(await Promise.all(first)).toEqual([1, 1]);
  await vi.waitFor(() => expect(gates).toHaveLength(2));
  gates[1]?.();
  expect(await Promise.all(second)).toEqual([2, 2, 2]);
});

it('pauses between two calls, and begins the first at once', async () => {
  const share = shareWork(async () => performance.now(), 50);
  const first = await share();
  // A timer counts from the begin of the turn that sets it, which is earlier than the work.
  expect((await share()) - first).toBeGreaterThanOrEqual(25);
});

it('hands on a failure, and works again', async () => {
  let fails = true;
  const share = shareWork(async () => {
    if (fails) throw new Error('not now');
    return 1;
  }, 0);
  await expect(share()).rejects.toThrow('not now');
  fails = false;
  expect(await share()).toBe(1);
});
