import type { Server } from 'node:http';
import { Server as NetServer } from 'node:net';

/** How long idle connections stay open at most: a client learns of the stop from its next answer. Milliseconds. */
const MAX_IDLE_GRACE_MS = 1_000;
const SWEEP_MS = 50;

/** Something that has open connections. */
interface ConnectionOwner {
  /** Ends every connection that waits for no answer. */
  closeIdle(): void;
  closeAll(): void;
}

/**
 * Stops accepting, then closes connections when they become idle, and after `graceMs` all others. Resolves when none is
 * open. It does not begin with `server.close()`, which cuts every connection between two requests: its client may be
 * sending the next one right now.
 */
export async function stopServer(server: Server, owners: readonly ConnectionOwner[], graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    NetServer.prototype.close.call(server, () => resolve());
  });
  const begun = performance.now();
  const idleGraceMs = Math.min(MAX_IDLE_GRACE_MS, graceMs / 4);
  const sweep = () => {
    const elapsed = performance.now() - begun;
    for (const owner of owners) {
      if (elapsed >= graceMs) owner.closeAll();
      else if (elapsed >= idleGraceMs) owner.closeIdle();
    }
  };
  const timer = setInterval(sweep, SWEEP_MS);
  sweep();
  await closed;
  clearInterval(timer);
  // Stops the timer inside the server that looks for slow requests. Not earlier: this call cuts idle connections.
  server.close();
}
