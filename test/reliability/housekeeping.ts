import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dirs, Service } from '../support/service.ts';

/*
 * What a service does beside its work in a life with `COMPRESSION=mixed`: it compresses plain hours at rest, looks for hours that are too
 * old, and answers queries over all that it has, all while it stores and is killed.
 */
export const HOUSEKEEPING_ENV: Readonly<Record<string, string>> = {
  LOGFORGE_STORAGE_COMPRESS_AFTER: '1m',
  LOGFORGE_RETENTION_MAX_AGE: '876000h',
};

const AT_REST_MS = 120_000;
const PAUSE_MS = 200;

/** Makes plain hours look as if they had been at rest: the next start begins to compress them, also those that get more records then. */
export async function letHoursRest(dirs: Dirs): Promise<void> {
  const before = new Date(Date.now() - AT_REST_MS);
  for (const name of await readdir(dirs.logs, { recursive: true }))
    if (name.endsWith('.log.json')) await utimes(join(dirs.logs, name), before, before);
}

/** Asks for all records again and again, until the service ends. Half a line in an answer that ended is an error in `problems`. */
export async function queryUntilEnd(service: Service, problems: string[]): Promise<void> {
  let hasEnded = false;
  void service.exited.then(() => {
    hasEnded = true;
  });
  while (!hasEnded) {
    try {
      const answer = await fetch(`${service.url}/records?limit=all&order=desc`);
      let last = 10;
      for await (const part of answer.body ?? []) last = part.at(-1) ?? last;
      if (answer.status === 200 && last !== 10) problems.push('an answer of GET /records ended in half a line');
    } catch {
      // The service was killed or stopped, or reads are held up by a fault.
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
