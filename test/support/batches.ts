import { createClient } from './client.ts';
import type { Dirs, Service } from './service.ts';
import { readRecords } from './storage.ts';

/** The body of a batch: records with the batch's number `id` and their place `i`. */
export const RECORDS = 20;

export function body(id: number, records = RECORDS): string {
  const record = { timestamp: `2015-05-17T${10 + (id % 3)}:00:00Z`, path: '/', userAgent: 'a', id };
  return JSON.stringify(Array.from({ length: records }, (_, i) => ({ ...record, i })));
}

/** How often each record is stored in all folders together: `id/i` to its count. */
export async function countRecords(...folders: readonly Dirs[]): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const dirs of folders) {
    for (const { id, i } of await readRecords(dirs)) counts.set(`${id}/${i}`, (counts.get(`${id}/${i}`) ?? 0) + 1);
  }
  return counts;
}

export function onceEach(ids: Iterable<number>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) for (let i = 0; i < RECORDS; i++) counts.set(`${id}/${i}`, 1);
  return counts;
}

export function sorted(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].sort(([a], [b]) => a.localeCompare(b));
}

/** Clients that send until they are stopped. Returns the acknowledged batches and all other answers. */
export function startLoad(
  service: Pick<Service, 'port'>,
  { clients, firstId = 0 }: { clients: number; firstId?: number },
) {
  const client = createClient(service.port, { connections: clients });
  const acknowledged = new Set<number>();
  const unclear = new Set<number>();
  const others: string[] = [];
  let nextId = firstId;
  let isOver = false;
  const work = async () => {
    while (!isOver) {
      const id = nextId++;
      const { status, body: answer } = await client.post(body(id));
      if (status === 202) acknowledged.add(id);
      else unclear.add(id);
      if (status !== 202 && status !== 503) others.push(`${status} ${answer}`);
      // The service no longer listens.
      if (status === 0) return;
    }
  };
  const load = Promise.all(Array.from({ length: clients }, work));
  return {
    acknowledged,
    unclear,
    others,
    stop: async () => {
      isOver = true;
      await load;
      client.close();
    },
  };
}
