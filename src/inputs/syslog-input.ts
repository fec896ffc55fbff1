import type { Input, InputFlow } from './inputs.ts';

/** Where the operating system chooses the port, another process may have the same one of the other protocol. */
const MAX_TRIES = 8;

export interface SyslogParts {
  readonly streams: Input;
  /** Started after `streams`, whose port it must have. */
  readonly datagrams: Input;
}

/** An input that takes datagrams and connections on one address, made of two, which share its flow. */
export function createSyslogInput(options: {
  readonly name: string;
  readonly flow: InputFlow;
  /** The operating system chooses the port. */
  readonly isAnyPort: boolean;
  /** A new pair: one that could not start is not used again. */
  readonly create: (flows: { readonly ofStreams: InputFlow; readonly ofDatagrams: InputFlow }) => SyslogParts;
}): Input {
  const { name, flow, isAnyPort, create } = options;
  let parts = createParts();

  function createParts(): SyslogParts {
    const ofStreams = { ...flow };
    const ofDatagrams = { ...flow };
    flow.onRoom = () => {
      ofStreams.onRoom();
      ofDatagrams.onRoom();
    };
    return create({ ofStreams, ofDatagrams });
  }

  async function startBoth(): Promise<string> {
    const where = await parts.streams.start();
    try {
      await parts.datagrams.start();
      return where;
    } catch (error) {
      await parts.streams.stop(0);
      throw error;
    }
  }

  return {
    name,
    async start() {
      for (let tries = 1; ; tries++) {
        try {
          return await startBoth();
        } catch (error) {
          if (!isAnyPort || tries === MAX_TRIES) throw error;
          parts = createParts();
        }
      }
    },
    async stop(graceMs) {
      const stops = await Promise.allSettled([parts.streams.stop(graceMs), parts.datagrams.stop(graceMs)]);
      for (const stop of stops) if (stop.status === 'rejected') throw stop.reason;
    },
    async check() {
      await parts.streams.check();
      await parts.datagrams.check();
    },
    refresh: async () => parts.datagrams.refresh?.(),
  };
}
