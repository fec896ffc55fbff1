import type { Io } from './command.ts';
import { printable } from './print.ts';

/** The same message is printed once in so long. */
const FOLD_MS = 10_000;
const MAX_KNOWN = 10_000;

/** Prints a message of a command, and the same one not again for a while: while a service is unavailable each batch has one. */
export function createSay(io: Io, command: string): (message: string) => void {
  const said = new Map<string, number>();
  return (message) => {
    const now = performance.now();
    // The time of the next attempt differs each time.
    const kind = message.replace(/; next attempt in [\d.]+ s$/, '');
    if (now - (said.get(kind) ?? Number.NEGATIVE_INFINITY) < FOLD_MS) return;
    if (said.size >= MAX_KNOWN) said.clear();
    said.set(kind, now);
    io.stderr.write(`logforge ${command}: ${printable(message)}\n`);
  };
}
