import type { BlockFraming } from '../../decode/decode.ts';
import type { Log } from '../../log.ts';
import type { Input, InputFlow } from '../inputs.ts';

/*
 * What a type of input gives to its contract suite (input-contract.case.ts). Its test file is:
 *
 *     describeInputContract('an input of type tcp', { kind: 'stream', place: 'address', create });
 *
 * `create` makes one input of the type on a place of its own. It is not started: the suite starts and stops it, and stops what a test left
 * running. Frames of the suite are lines: the framing is that of newlines. The flow is a real Feed before an intake that the suite can hold
 * back, so `false` from `take` is real back-pressure.
 *
 * kind        what the suite expects when the intake is held back      of a sender that goes away
 * `stream`    `send` waits; nothing is lost                            its unterminated line is a record
 * `pipe`      as `stream`; senders share one pipe                      the pipe is open again for the next one
 * `datagram`  `send` never waits; what is lost is counted              each datagram stands alone
 */

export type InputKind = 'stream' | 'pipe' | 'datagram';

export interface InputFixture {
  readonly kind: InputKind;
  /**
   * Where it takes records. `path`: a socket or a pipe in the file system, which the suite also tries on folders, files, symbolic links and
   * what a killed process left. `address`: host and port, also tried on one in use. `none`: it has no place, as standard input.
   */
  readonly place: 'path' | 'address' | 'none';
  create(options: CreateOptions): CreatedInput | Promise<CreatedInput>;
}

export interface CreateOptions {
  readonly name: string;
  /** Where it takes records, where a test needs a certain place: a path, or `127.0.0.1:port`. Absent: the fixture chooses one. */
  readonly where: string | undefined;
  readonly framing: BlockFraming;
  readonly maxFrameBytes: number;
  /** Those that a type has not are left aside. */
  readonly limits: ContractLimits;
  /** `onRoom` is the input's to set, as in src/app/kinds.ts. */
  readonly flow: InputFlow;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
}

export interface ContractLimits {
  readonly maxConnections: number;
  /** Milliseconds. Undefined: none. */
  readonly idleTimeoutMs: number | undefined;
  /** Bytes of frames that are not whole, of all connections. */
  readonly maxUnfinishedBytes: number;
}

export interface CreatedInput {
  readonly input: Input;
  /** A new sender, after the input has started; `where` is what `start` resolved with. Closed by the suite at the end of a test. */
  connect(where: string): Promise<Sender>;
}

export interface Sender {
  /**
   * Resolves when the kernel has taken all bytes; so it waits while the input does not read. Of a datagram: one datagram a call. Rejects when
   * the other side has closed.
   */
  send(bytes: string | Uint8Array): Promise<void>;
  /** Nothing more comes. Resolves when the sender is closed, for a stream on both sides. Further calls do nothing. */
  close(): Promise<void>;
  /** Goes without a word, as a killed process or a cut cable: a TCP connection is reset. */
  vanish(): void;
  /** Of a stream: resolves when the other side has closed the connection. */
  readonly closed: Promise<void>;
}
