import type { Handlers, Remote } from '../runtime/channel.ts';
import type { Live, LiveEvent, LiveSnapshot, TailFilter, TailPiece } from './live.ts';

/** The calls that the thread with the Live answers. */
export interface LiveCalls {
  liveSnapshot(): LiveSnapshot;
  liveSubscribe(wanted: boolean): void;
  tailOpen(tail: TailOpen): void;
  tailClose(id: number): void;
}

/** The calls that the thread with the listeners answers. */
export interface LiveListenerCalls {
  liveEvent(event: LiveEvent): void;
  tailPiece(push: TailPush): void;
}

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
export function createRemoteLive(remote: Remote<LiveCalls>) {
  const listeners = new Set<(event: LiveEvent) => void>();
  const tails = new Map<number, (piece: TailPiece) => void>();
  let nextTail = 0;

  /** Where the other thread is gone there is nothing to hear, and soon nobody to listen. */
  const tell = (told: Promise<void>): void => void told.catch(() => undefined);

  const live: Live = {
    snapshot: () => remote.liveSnapshot(),
    subscribe(listener) {
      if (listeners.size === 0) tell(remote.liveSubscribe(true));
      listeners.add(listener);
      return () => {
        if (listeners.delete(listener) && listeners.size === 0) tell(remote.liveSubscribe(false));
      };
    },
    tail(filter, listener) {
      const id = nextTail++;
      tails.set(id, listener);
      tell(remote.tailOpen({ id, filter }));
      return () => {
        if (tails.delete(id)) tell(remote.tailClose(id));
      };
    },
  };

  const handlers: Handlers<LiveListenerCalls> = {
    liveEvent: async (event) => {
      for (const listener of listeners) listener(event);
    },
    tailPiece: async ({ id, piece }) => tails.get(id)?.(piece),
  };
  return { live, handlers };
}

/** The other end. `close` when that thread is gone. */
export function serveLive(live: Live, remote: Remote<LiveListenerCalls>) {
  const tails = new Map<number, () => void>();
  let unsubscribe: (() => void) | undefined;
  let pushes = 0;
  let closed = false;

  const push = (send: () => Promise<void>): boolean => {
    if (pushes >= MAX_PUSHES) return false;
    pushes += 1;
    const done = () => {
      pushes -= 1;
    };
    send().then(done, done);
    return true;
  };

  const openTail = (id: number, filter: TailFilter): (() => void) => {
    let leftOut = 0;
    return live.tail(filter, (piece) => {
      leftOut += piece.leftOut;
      const { lines } = piece;
      if (push(() => remote.tailPiece({ id, piece: { lines, leftOut } }))) leftOut = 0;
      else leftOut += lines.length;
    });
  };

  const handlers: Handlers<LiveCalls> = {
    liveSnapshot: () => live.snapshot(),
    liveSubscribe: async (wanted) => {
      unsubscribe?.();
      const pushEvent = (event: LiveEvent): void => void push(() => remote.liveEvent(event));
      unsubscribe = wanted && !closed ? live.subscribe(pushEvent) : undefined;
    },
    tailOpen: async ({ id, filter }) => {
      if (!closed) tails.set(id, openTail(id, filter));
    },
    tailClose: async (id) => {
      tails.get(id)?.();
      tails.delete(id);
    },
  };

  return {
    handlers,
    close(): void {
      closed = true;
      unsubscribe?.();
      for (const end of tails.values()) end();
      tails.clear();
    },
  };
}
