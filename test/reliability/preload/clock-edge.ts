/**
 * Replaces Date. Monotonic time (performance, process.hrtime, timers) stays, as when somebody sets the clock of a machine. Node.js itself
 * keeps the real time where it made its own copy of Date: the Date header of node:http, times of files.
 */
export function replaceClock(offsetMs: () => number): void {
  const RealDate = globalThis.Date;
  const now = () => RealDate.now() + offsetMs();
  const construct = (target: DateConstructor, args: unknown[]): Date =>
    Reflect.construct(target, args.length === 0 ? [now()] : args) as Date;
  globalThis.Date = new Proxy(RealDate, {
    construct,
    apply: () => new RealDate(now()).toString(),
    get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
  });
}
