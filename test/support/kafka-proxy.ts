import type { Filter } from './passage.ts';
import { startTcpProxy, type TcpProxy, type TcpProxyOptions } from './tcp-proxy.ts';

/**
 * A TCP proxy between clients and a broker that knows a little of Kafka. It can lose the answer to a produce request: the
 * broker has stored the request, and the client does not know. It tells connections of producers from those of consumers: the
 * roles `producer` and `consumer` of a scope. The broker must tell its clients the proxy's port.
 */
export interface KafkaProxy extends TcpProxy {
  /** Loses the answers to the next produce requests: it closes the connection, or keeps it silent. */
  loseAnswers(count: number, how: 'cut' | 'silent'): void;
  /** Answers lost so far. */
  lost(): number;
  /** Delays every answer from now on, in milliseconds. */
  delayAnswers(delayMs: number): void;
}

/** Keys of requests. Source: https://kafka.apache.org/protocol#protocol_api_keys */
const PRODUCE = 0;
const ROLES = new Map([
  [PRODUCE, 'producer'],
  [1, 'consumer'], // Fetch
  [11, 'consumer'], // JoinGroup
]);

export async function startKafkaProxy(options: Omit<TcpProxyOptions, 'filters'>): Promise<KafkaProxy> {
  let toLose = 0;
  let lost = 0;
  let mode: 'cut' | 'silent' = 'cut';

  const proxy = await startTcpProxy({
    ...options,
    filters: ({ setRole, cut }) => {
      const produces = new Set<number>();
      return {
        toServer: filterFrames(12, (head) => {
          const key = head.readInt16BE(4);
          const role = ROLES.get(key);
          if (role !== undefined) setRole(role);
          if (key === PRODUCE) produces.add(head.readInt32BE(8));
          return true;
        }),
        toClient: filterFrames(8, (head) => {
          if (!produces.delete(head.readInt32BE(4)) || toLose === 0) return true;
          toLose--;
          lost++;
          if (mode === 'cut') cut('close');
          return false;
        }),
      };
    },
  });
  return {
    ...proxy,
    loseAnswers: (count, how) => {
      toLose = count;
      mode = how;
    },
    lost: () => lost,
    delayAnswers: (latencyMs) => proxy.spoil('toClient', { latencyMs }),
  };
}

/**
 * Passes on the frames of the protocol that `keep` wants, by their first `headBytes` bytes. Every frame is at least so long.
 *
 *   frame = length of the rest u32 | key of the request u16 | its version u16 | correlation id u32 …    request
 *           length of the rest u32 | correlation id u32 …                                              answer
 */
function filterFrames(headBytes: number, keep: (head: Buffer) => boolean): Filter {
  let head: Buffer = Buffer.alloc(0);
  /** Bytes of the frame that are still to come, after its head. */
  let left = 0;
  let isKept = true;
  return (data) => {
    const kept: Buffer[] = [];
    for (let at = 0; at < data.length; ) {
      if (left > 0) {
        const part = data.subarray(at, at + left);
        if (isKept) kept.push(part);
        left -= part.length;
        at += part.length;
        continue;
      }
      const part = data.subarray(at, at + headBytes - head.length);
      head = Buffer.concat([head, part]);
      at += part.length;
      if (head.length < headBytes) break;
      left = 4 + head.readInt32BE(0) - headBytes;
      isKept = keep(head);
      if (isKept) kept.push(head);
      head = Buffer.alloc(0);
    }
    return Buffer.concat(kept);
  };
}
