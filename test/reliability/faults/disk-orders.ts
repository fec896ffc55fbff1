import { type HeldOrder, sharedDiskControl } from '../preload/control.ts';
import type { DiskOrder } from '../preload/orders.ts';
import type { Allowance, Node, Round, ServiceStart } from '../reliability.ts';

/* What the faults of the injected disk share. */

/** Starts the service with the preload. `syncs`: and with storage that is synced. */
export function needsDiskControl(syncs = false): ServiceStart {
  const { start } = sharedDiskControl();
  return syncs ? { ...start, env: { ...start.env, LOGFORGE_STORAGE_DURABILITY: 'disk' } } : start;
}

/** Files of the service, by what they are for: a regular expression for their paths after the folders of the node. */
export const FILES = {
  journal: ({ state }) => `${state}/journal-`,
  hours: ({ logs }) => `${logs}/\\d{4}-`,
  keys: ({ state }) => `${state}/(keys|answers)-`,
  sequence: ({ logs }) => `${logs}/\\.logforge\\.seq`,
  summaries: ({ analytics }) => `${analytics}/`,
  deadLetters: ({ dlq }) => `${dlq}/`,
  spool: ({ state }) => `${state}/spool`,
  all: ({ root }) => `${root}/`,
} satisfies Record<string, (dirs: Node['dirs']) => string>;

export type FileKind = keyof typeof FILES;

/** What a service says of a disk that fails. */
export const DISK_ERRORS: Allowance['errors'] = [
  /^cannot store a batch; files are back at their committed length$/,
  /^cannot sync files in the background; the next commit writes them again from the journal$/,
  /^cannot retire old journal segments; they stay until the next rotation$/,
  /^cannot write to the spool$/,
  /^cannot (summarise hour|aggregate)$/,
  /^cannot note the dimensions of a stream/,
  // A consumer of version 2, which tries again.
  /^cannot store consumed messages; the partition is blocked until storage works$/,
];

const RETRIES = 12;

/**
 * Gives the order for the files of a node, and waits until it has struck `times` times, or for 60 acknowledgements. When nothing
 * reached those files meanwhile, the order goes to all files. Counts what was struck.
 */
export async function strikeDisk(
  round: Pick<Round, 'node' | 'whenAcknowledged' | 'note' | 'count'>,
  { files, ...order }: Omit<DiskOrder, 'path'> & { readonly files: FileKind },
): Promise<HeldOrder> {
  const held = await orderAndWait(round, files, order);
  if (held.strikes.length > 0 || files === 'all') return held;
  await held.lift();
  return orderAndWait(round, 'all', order);
}

async function orderAndWait(
  { node, whenAcknowledged, note, count }: Pick<Round, 'node' | 'whenAcknowledged' | 'note' | 'count'>,
  files: FileKind,
  order: Omit<DiskOrder, 'path'>,
): Promise<HeldOrder> {
  const held = await sharedDiskControl().order({ ...order, path: `^${FILES[files](node.dirs)}` });
  const wanted = order.times ?? 1;
  for (let left = RETRIES; left > 0 && held.strikes.length < wanted; left--) {
    // The load may end: another fault has killed the service.
    if (!(await whenAcknowledged(5)) && !(await held.struck(wanted, 100))) break;
  }
  note(`${order.operations.join('/')} of ${files}: ${describe(order)}, struck ${held.strikes.length}`);
  count('diskStrikes', held.strikes.length);
  return held;
}

function describe({ fault, skip = 0 }: Pick<DiskOrder, 'fault' | 'skip'>): string {
  const what = 'code' in fault ? `${fault.kind} ${fault.code}` : fault.kind;
  return skip === 0 ? what : `${what} after ${skip}`;
}
