import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { createClient } from '../../support/client.ts';
import type { Fault } from '../reliability.ts';
import { DISK_ERRORS } from './disk-orders.ts';
import { awaitReady } from './probe.ts';

const run = promisify(execFile);
/** `NOFILE 1024 524288` */
const LIMITS = /^NOFILE +(\d+) +(\d+)/m;

/** The limit of a running service falls to what it has open, and rises again. No file and no connection can be opened meanwhile. */
export const noDescriptors: Fault = {
  name: 'no-descriptors',
  versions: [1, 2],
  weight: 1,
  kind: 'disturbs',
  async strike({ random, node, whenAcknowledged, allow, note }) {
    // A connection that cannot be accepted is closed.
    allow({ statuses: [503, 'none'], errors: DISK_ERRORS ?? [] });
    await whenAcknowledged(random.int(0, 20));
    const service = node.service();
    if (service === undefined) return;
    const client = createClient(service.port, { connections: 1 });
    const pid = String(service.pid);
    try {
      await client.get('/ready');
      const { stdout } = await run('prlimit', [
        '--pid',
        pid,
        '--nofile',
        '--output',
        'RESOURCE,SOFT,HARD',
        '--noheadings',
      ]);
      const [, soft, hard] = LIMITS.exec(stdout) ?? [];
      const limit = (await readdir(`/proc/${pid}/fd`)).length + random.int(0, 4);
      await run('prlimit', ['--pid', pid, `--nofile=${limit}:${hard}`]);
      note(`${limit} descriptors`);
      await whenAcknowledged(random.int(5, 25));
      await run('prlimit', ['--pid', pid, `--nofile=${soft}:${hard}`]);
      await awaitReady(node, 200, client);
    } catch (error) {
      // Another fault has ended it.
      if (node.service() === service) throw error;
    } finally {
      client.close();
    }
  },
};

/** A service that starts with few descriptors divides them between files and connections, and serves. */
export const fewDescriptors: Fault = {
  name: 'few-descriptors',
  versions: [1, 2],
  weight: 1,
  kind: 'disturbs',
  needs: (random) => {
    const limit = random.int(90, 160);
    return { wrapper: ['prlimit', `--nofile=${limit}:${limit}`] };
  },
  async strike({ random, whenAcknowledged }) {
    await whenAcknowledged(random.int(10, 40));
  },
};
