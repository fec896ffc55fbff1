import { join } from 'node:path';
import type { Service } from '../test/support/service.ts';
import { eventually } from '../test/support/storage.ts';

export interface InputAddress {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
}

/** Where the input listens, as the log of the service says. */
export async function addressOf(service: Service, input: string): Promise<InputAddress> {
  const where = await eventually(() => {
    const found = new RegExp(`"input":"${input}","where":"([^"]+)"`).exec(service.logs())?.[1];
    if (found === undefined) throw new Error('the input does not listen');
    return found;
  });
  if (!where.includes(':')) return { path: where.startsWith('/') ? where : join(service.dirs.root, where) };
  const at = where.lastIndexOf(':');
  return { host: where.slice(0, at), port: Number(where.slice(at + 1)) };
}
