/**
 * Looks for partitions that are added to the topic, which the library does not do. Only the leader of the group looks, and
 * joins again: the group then shares all partitions out. A join of any other member would change nothing.
 */
export interface TopicWatch {
  /** A join begins: the group is shared out over so many partitions. */
  joining(partitions: number): void;
  joined(isLeader: boolean): void;
  start(): void;
  stop(): void;
}

export function createTopicWatch(options: {
  readonly everyMs: number;
  /** The partitions that the topic has now; undefined when there is no topic. */
  countPartitions(): Promise<number | undefined>;
  joinAgain(): void;
}): TopicWatch {
  const { everyMs, countPartitions, joinAgain } = options;
  let known = 0;
  let isLeader = false;
  /** One more with every join. */
  let joins = 0;
  let timer: NodeJS.Timeout | undefined;

  async function look(): Promise<void> {
    const before = joins;
    if (!isLeader) return;
    // A failure is not told: what reads the partitions reports a broker that is unavailable.
    const count = await countPartitions().catch(() => undefined);
    const isOld = joins !== before || timer === undefined;
    if (count !== undefined && count !== known && !isOld) joinAgain();
  }

  return {
    joining(partitions) {
      known = partitions;
      isLeader = false;
      joins++;
    },
    joined(leads) {
      isLeader = leads;
    },
    start() {
      timer ??= setInterval(() => void look(), everyMs).unref();
    },
    stop() {
      clearInterval(timer);
      timer = undefined;
    },
  };
}
