import type { Server } from 'node:http';
import { Server as NetServer } from 'node:net';

/** Clients that keep their connection open are told by their next answer; those that do not ask wait for this at most. */
const MAX_IDLE_GRACE_MS = 1_000;
const SWEEP_MS = 50;

/** Those who have open connections. */
interface Holder {
  /** Ends every connection that waits for no answer. */
  closeIdle(): void;
  closeAll(): void;
}

/**
 * Stops accepting, then closes connections as they become idle, and after `graceMs` all that are left. Resolves when none
 * is open. Not by `server.close()` at once, which cuts every connection that is between two requests: its client may
 * just be sending the next.
 */
export async function stopServer(server: Server, holders: readonly Holder[], graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    NetServer.prototype.close.call(server, () => resolve());
  });
  const begun = performance.now();
  const idleGraceMs = Math.min(MAX_IDLE_GRACE_MS, graceMs / 4);
  const sweep = () => {
    const elapsed = performance.now() - begun;
    for (const holder of holders) {
      if (elapsed >= graceMs) holder.closeAll();
      else if (elapsed >= idleGraceMs) holder.closeIdle();
    }
  };
  const timer = setInterval(sweep, SWEEP_MS);
  sweep();
  await closed;
  clearInterval(timer);
  // Only now, for the timer inside the server that checks for slow requests.
  server.close();
}
