import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createClient } from '../support/client.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';

const CLIENTS = 8;
const MOVES = 25;

let service: Service;
beforeEach(async () => {
  service = await startService();
});
afterEach(async () => {
  await service.stop('SIGKILL');
  await removeDirs(service.dirs);
});

/** How often each id stands in a line of one of the files of a day. A line that is not whole, or not JSON, throws. */
function countIds(day: string): Map<number, number> {
  const counts = new Map<number, number>();
  for (const name of readdirSync(day)) {
    const lines = readFileSync(join(day, name), 'utf8').split('\n');
    if (lines.pop() !== '') throw new Error(`no whole line at the end of ${name}`);
    for (const line of lines) {
      const { id } = JSON.parse(line) as { id: number };
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  }
  return counts;
}

/** Stores until the file was moved MOVES times, each time with answers in between. Gives the ids that were answered 202. */
async function storeWhileMoved(recordsInBatch: number, move: (round: number) => void): Promise<Set<number>> {
  const answered = new Set<number>();
  let nextId = 0;
  let moves = 0;
  let nextMove = 10;
  const work = async (): Promise<void> => {
    const client = createClient(service.port);
    while (moves < MOVES) {
      const ids = Array.from({ length: recordsInBatch }, () => nextId++);
      const records = ids.map((id) => ({ timestamp: '2015-05-17T10:00:00Z', path: '/', userAgent: 'a', id }));
      const { status } = await client.post(JSON.stringify(records));
      // A state folder that goes while a journal is begun in it may cost an answer, not a record.
      expect([202, 503]).toContain(status);
      if (status === 503) continue;
      for (const id of ids) answered.add(id);
      // Other clients' batches are under way at this moment.
      if (answered.size < nextMove * recordsInBatch) continue;
      nextMove += 10;
      move(moves++);
    }
    client.close();
  };
  await Promise.all(Array.from({ length: CLIENTS }, work));
  return answered;
}

it.each([
  ['small', 1],
  ['large', 3_000],
])('every record of %s batches stands in a file once, while the hour file is moved away under load', async (_size, records) => {
  const day = join(service.dirs.logs, '2015-05-17');
  const file = join(day, '10.log.json');
  const answered = await storeWhileMoved(records, (round) => {
    renameSync(file, `${file}.${round}`);
    // The service may have made it again by now: then it stays as it is.
    if (round % 2 === 0) writeFileSync(file, '', { flag: 'a' });
  });
  expect(await service.stop()).toEqual({ code: 0, signal: null });
  const counts = countIds(day);
  expect(counts.size).toBe(answered.size);
  for (const id of answered) if (counts.get(id) !== 1) expect([id, counts.get(id)]).toEqual([id, 1]);
});

it('answers only what a start finds, while the state folder is moved away under load', async () => {
  const { root, state, logs } = service.dirs;
  const answered = await storeWhileMoved(1, (round) => renameSync(state, join(root, `state.${round}`)));
  await service.stop('SIGKILL');
  const next = await startService({ dirs: service.dirs });
  expect(await next.stop()).toEqual({ code: 0, signal: null });
  const counts = countIds(join(logs, '2015-05-17'));
  for (const id of answered) if (counts.get(id) !== 1) expect([id, counts.get(id)]).toEqual([id, 1]);
});
