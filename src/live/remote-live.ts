import type { Channel } from '../runtime/channel.ts';
import type { Live, LiveEvent, LiveSnapshot, TailFilter, TailPiece } from './live.ts';

interface TailOpen {
  readonly id: number;
  readonly filter: TailFilter;
}

interface TailPush {
  readonly id: number;
  readonly piece: TailPiece;
}

/** Pushes on their way to one thread, which takes longer than they come: beyond, they are left out. */
const MAX_PUSHES = 8;

/** A Live whose work is done by the thread at the other end of the channel. */
export function createRemoteLive(channel: Pick<Channel, 'call'>) {
  const listeners = new Set<(event: LiveEvent) => void>();
  const tails = new Map<number, (piece: TailPiece) => void>();
  let nextTail = 0;

  /** Where the other thread is gone there is nothing to hear, and soon nobody to listen. */
  const tell = (method: string, argument: unknown): void => void channel.call(method, argument).catch(() => undefined);

  const live: Live = {
    // What comes back is what serveLive gave, cloned.
    snapshot: () => channel.call('liveSnapshot') as Promise<LiveSnapshot>,
    subscribe(listener) {
      if (listeners.size === 0) tell('liveSubscribe', true);
      listeners.add(listener);
      return () => {
        if (listeners.delete(listener) && listeners.size === 0) tell('liveSubscribe', false);
      };
    },
    tail(filter, listener) {
      const id = nextTail++;
      tails.set(id, listener);
      tell('tailOpen', { id, filter } satisfies TailOpen);
      return () => {
        if (tails.delete(id)) tell('tailClose', id);
      };
    },
  };

  return {
    live,
    /** The calls that the other end makes. */
    handlers: {
      liveEvent: async (event: LiveEvent) => {
        for (const listener of listeners) listener(event);
      },
      tailPiece: async ({ id, piece }: TailPush) => tails.get(id)?.(piece),
    },
  };
}

/** The other end. `close` when that thread is gone. */
export function serveLive(live: Live, call: Channel['call']) {
  const tails = new Map<number, () => void>();
  let unsubscribe: (() => void) | undefined;
  let pushes = 0;
  let closed = false;

  const push = (method: string, argument: unknown): boolean => {
    if (pushes >= MAX_PUSHES) return false;
    pushes += 1;
    const done = () => {
      pushes -= 1;
    };
    call(method, argument).then(done, done);
    return true;
  };

  const openTail = (id: number, filter: TailFilter): (() => void) => {
    let leftOut = 0;
    return live.tail(filter, (piece) => {
      leftOut += piece.leftOut;
      if (push('tailPiece', { id, piece: { lines: piece.lines, leftOut } } satisfies TailPush)) leftOut = 0;
      else leftOut += piece.lines.length;
    });
  };

  return {
    handlers: {
      liveSnapshot: () => live.snapshot(),
      liveSubscribe: async (wanted: boolean) => {
        unsubscribe?.();
        unsubscribe = wanted && !closed ? live.subscribe((event) => void push('liveEvent', event)) : undefined;
      },
      tailOpen: async ({ id, filter }: TailOpen) => {
        if (!closed) tails.set(id, openTail(id, filter));
      },
      tailClose: async (id: number) => {
        tails.get(id)?.();
        tails.delete(id);
      },
    },
    close(): void {
      closed = true;
      unsubscribe?.();
      for (const end of tails.values()) end();
      tails.clear();
    },
  };
}
