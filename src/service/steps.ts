/**
 * Makes `nextStep`, which large bodies await between their steps. In each turn of the event loop one of them goes on, in
 * order. So a turn is as long with twenty large bodies as with one, and small requests wait for one step, not for twenty.
 */
export function createSteps(): () => Promise<void> {
  const waiting: (() => void)[] = [];
  const goOn = (): void => {
    waiting.shift()?.();
    if (waiting.length > 0) setImmediate(goOn);
  };
  return function nextStep() {
    return new Promise((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(goOn);
    });
  };
}
