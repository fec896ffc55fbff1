import type { UnreadFrame } from '../service/service.ts';
import type { Feed } from './feed.ts';
import type { WhenFull } from './inputs.ts';

export interface GateOptions {
  readonly feed: Pick<Feed, 'push' | 'isFull' | 'isOverfull'>;
  /** The frames of a block, one by one. */
  readonly framesOf: (frames: Buffer) => Iterable<Buffer>;
  readonly whenFull: WhenFull;
  /** Told of frames that were dropped. */
  readonly onDropped: (frames: number) => void;
}

/**
 * The way of whole frames into the feed. False where the sender must wait. An input that does not wait drops frames while the feed is full:
 * all of them, or all but one in n.
 */
export function createGate({ feed, framesOf, whenFull, onDropped }: GateOptions): (frames: Buffer) => boolean {
  if (whenFull === 'wait') return (frames) => feed.push(frames);
  if (whenFull === 'drop') {
    return function takeOrDrop(frames) {
      if (feed.isFull) onDropped(count(framesOf(frames)));
      else feed.push(frames);
      return true;
    };
  }
  const { sampleOneIn } = whenFull;
  let seen = 0;
  return function takeOrSample(frames) {
    if (!feed.isFull) {
      feed.push(frames);
      return true;
    }
    let dropped = 0;
    for (const frame of framesOf(frames)) {
      if (seen === 0 && !feed.isOverfull) feed.push(frame);
      else dropped++;
      seen = (seen + 1) % sampleOneIn;
    }
    onDropped(dropped);
    return true;
  };
}

/** As `createGate`, of a frame that could not be read. An input that does not wait drops it while the feed is full, in a sample too. */
export function createAsideGate({
  feed,
  whenFull,
  onDropped,
}: Pick<GateOptions, 'whenFull' | 'onDropped'> & {
  readonly feed: Pick<Feed, 'putAside' | 'isFull'>;
}): (frame: UnreadFrame) => boolean {
  if (whenFull === 'wait') return (frame) => feed.putAside(frame);
  return function putAsideOrDrop(frame) {
    if (feed.isFull) onDropped(1);
    else feed.putAside(frame);
    return true;
  };
}

function count(items: Iterable<unknown>): number {
  let number = 0;
  for (const _ of items) number++;
  return number;
}
