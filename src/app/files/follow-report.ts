import type { FollowReport } from '../../inputs/files/follower.ts';

/** Tells users what happens to files, with their paths. Deliveries count for themselves. */
export function createFollowReport(notify: (message: string) => void): FollowReport {
  return {
    delivered: () => undefined,
    warn: (path, message) => notify(aboutPath(path, message)),
    fault: (path, { message }) => notify(aboutPath(path, message)),
  };
}

/** `access.log: the last line has no end yet`; the path is not said again where the message has it. */
export function aboutPath(path: string, message: string): string {
  const isSaid = message
    .split(`path=${path}`)
    .slice(1)
    .some((rest) => AFTER_PATH.test(rest));
  return isSaid ? message : `${path}: ${message}`;
}

/** Anything else goes on with another path: `path=a.log.1`. */
const AFTER_PATH = /^[:;,)]?(\s|$)/;
