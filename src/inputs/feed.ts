import type { Block, Intake, UnreadFrame } from '../service/service.ts';

export interface FeedOptions {
  readonly intake: Intake;
  /** What came in is handed over at the latest after this time, milliseconds. */
  readonly flushIntervalMs: number;
  /** Bytes of a block. A longer frame has a block of its own. */
  readonly flushBytes: number;
  /** Bytes that were pushed and are not delivered. */
  readonly maxInFlightBytes: number;
  /** Whether nobody reads a block any more once the intake has resolved. Then its memory is used again. */
  readonly reusesMemory: boolean;
  /** Told after `push` gave false, when there is room again. */
  readonly onRoom: () => void;
  /** Told the bytes in flight after each change. */
  readonly onInFlight: (bytes: number) => void;
  /** Told of a block that was given up, because the time of the stop is over. */
  readonly onGivenUp: (block: Pick<Block, 'bytes' | 'unread'>, error: unknown) => void;
  /** Unix milliseconds. */
  readonly clock: () => number;
}

/** One is being stored while the next is decoded. */
const MAX_UNDER_WAY = 2;
/** A block that waits for its turn takes no more frames after so long: its texts without a time get that of its first frame. */
const MAX_OPEN_MS = 1_000;
/** There is room again when this part of the limit is free, so that connections do not start and stop for every block. */
const ROOM = 1 / 4;
/** Of a frame that could not be read, beside its beginning: its dead letter. */
const UNREAD_BYTES = 512;

interface OpenBlock {
  buffer: Buffer;
  /** Whether it goes as soon as there is a turn for it. */
  isDue: boolean;
  readonly arrival: number;
  used: number;
  /** `used`, and what the unread frames take. */
  counted: number;
  readonly unread: UnreadFrame[];
}

/**
 * Gathers the frames of all connections of an input, in the order in which they came, and hands them over as blocks, each after the one
 * before it. While two blocks are under way, what comes gathers in further ones: so the more comes in, the larger the commits are.
 */
export class Feed {
  readonly #options: FeedOptions;
  #open: OpenBlock | undefined;
  /** Blocks that are full, or whose time is over. */
  readonly #due: OpenBlock[] = [];
  /** Buffers of flushBytes that no block uses. Under load all are kept, when nothing is in flight only a few. */
  readonly #free: Buffer[] = [];
  #timer: NodeJS.Timeout | undefined;
  #last: Promise<void> = Promise.resolve();
  #underWay = 0;
  #inFlight = 0;
  #isFull = false;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** Whether `maxInFlightBytes` are in flight: then nothing more should be read. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Whether twice as much is in flight: an input that keeps a sample while it is full keeps none any more. */
  get isOverfull(): boolean {
    return this.#inFlight >= 2 * this.#options.maxInFlightBytes;
  }

  /** Copies whole frames. False when the limit is reached: they are taken all the same, and the next should wait for `onRoom`. */
  push(frames: Buffer): boolean {
    const block = this.#blockFor(frames.length);
    frames.copy(block.buffer, block.used);
    block.used += frames.length;
    return this.#count(block, frames.length);
  }

  /** A frame that could not be read takes its place among the others. False as for `push`. */
  putAside(frame: UnreadFrame): boolean {
    const block = this.#blockFor(0);
    block.unread.push(frame);
    return this.#count(block, frame.beginning.length + UNREAD_BYTES);
  }

  /** Resolves when all that was pushed is delivered or given up. */
  flush(): Promise<void> {
    this.#close();
    this.#run();
    if (this.#inFlight === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }

  #count(block: OpenBlock, bytes: number): boolean {
    const { flushBytes, maxInFlightBytes } = this.#options;
    block.counted += bytes;
    this.#add(bytes);
    if (block.counted >= flushBytes) this.#close();
    this.#run();
    if (this.#inFlight >= maxInFlightBytes) this.#isFull = true;
    return !this.#isFull;
  }

  #blockFor(bytes: number): OpenBlock {
    const open = this.#open;
    if (open !== undefined && open.used + bytes <= open.buffer.length) return open;
    this.#close();
    const { flushBytes, flushIntervalMs, clock } = this.#options;
    const isLong = bytes > flushBytes;
    const buffer = isLong ? Buffer.allocUnsafeSlow(bytes) : (this.#free.pop() ?? Buffer.allocUnsafeSlow(flushBytes));
    const block: OpenBlock = { buffer, isDue: false, arrival: clock(), used: 0, counted: 0, unread: [] };
    this.#open = block;
    this.#timer = setTimeout(() => {
      block.isDue = true;
      this.#timer = setTimeout(() => this.#close(), MAX_OPEN_MS);
      this.#run();
    }, flushIntervalMs);
    return block;
  }

  #close(): void {
    const block = this.#open;
    if (block === undefined) return;
    clearTimeout(this.#timer);
    this.#open = undefined;
    if (this.#underWay === MAX_UNDER_WAY) this.#shrink(block);
    this.#due.push(block);
  }

  /** Only the bytes of a block are counted, so one that waits has little more memory than those. */
  #shrink(block: OpenBlock): void {
    const { buffer, used } = block;
    if (used > this.#options.flushBytes / 2) return;
    block.buffer = Buffer.from(buffer.subarray(0, used));
    this.#free.push(buffer);
  }

  #run(): void {
    while (this.#underWay < MAX_UNDER_WAY) {
      if (this.#due.length === 0 && this.#open?.isDue === true) this.#close();
      const block = this.#due.shift();
      if (block === undefined) return;
      this.#underWay++;
      this.#last = this.#handOver(block, this.#last);
    }
  }

  async #handOver({ buffer, arrival, used, counted, unread }: OpenBlock, after: Promise<void>): Promise<void> {
    const { intake, flushBytes, maxInFlightBytes, reusesMemory, onRoom, onGivenUp } = this.#options;
    const block = { bytes: buffer.subarray(0, used), arrival, unread, after };
    await intake(block).catch((error: unknown) => onGivenUp(block, error));
    this.#underWay--;
    if (reusesMemory && buffer.length === flushBytes) this.#free.push(buffer);
    this.#add(-counted);
    this.#run();
    if (this.#isFull && this.#inFlight <= maxInFlightBytes * (1 - ROOM)) {
      this.#isFull = false;
      onRoom();
    }
    if (this.#inFlight === 0) {
      this.#free.splice(MAX_UNDER_WAY + 1);
      this.#idle?.resolve();
      this.#idle = undefined;
    }
  }

  #add(bytes: number): void {
    this.#inFlight += bytes;
    this.#options.onInFlight(this.#inFlight);
  }
}
