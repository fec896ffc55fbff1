import type { Random } from '../support/random.ts';
import type { Dirs, Exit, Service, ServiceOptions } from '../support/service.ts';
import type { Answer, MakeOptions, Sending } from '../support/workload.ts';
import type { BrokerUnderTest } from './broker-under-test.ts';

/*
 * Faults against the real service under load, and checks of every promise after each of them: `make reliability`.
 *
 *   run-reliability.ts   the command: runs lives until the rounds are done, prints a line a round and the table
 *   plan.ts              draws a life from (seed, life number): the configuration and the faults of its rounds
 *   life.ts              runs one life: round after round on the same folders, and the checks at its end
 *   round.ts             runs one round: start, load and faults, next request, load, checks
 *   deployment-v1.ts     the processes of version 1
 *   deployment-v2.ts     the processes of version 2; broker-under-test.ts, the broker that all lives share
 *   housekeeping.ts      compression at rest, retention and queries beside the load; old-hours.ts, the hours that retention removes
 *   store-check.ts       what must hold of the stored lines
 *   process-checks.ts    what must hold of a process: accounting, log, end
 *   kept-life.ts         for tests: a life with chosen faults
 *   faults.ts            lists every fault; faults/* holds one kind in each file
 *
 * A run is a sequence of lives. A life has folders of its own and some rounds on them. Everything random in it comes from
 * (seed, life number), so one life replays alone. When a fault strikes is decided by counts of acknowledgements, never by the
 * clock; what the timing of the machine still decides (which byte was written when the kill came) differs between two runs.
 *
 * A round: start what is not running, send load, let one or two faults strike in it, wait until they are over, start what is dead,
 * send a request that must be accepted in time, end the load, check.
 */

export type Version = 1 | 2;

/** A kind of fault. It has no state of its own: all state is in the round. */
export interface Fault {
  /** Unique, kebab-case: for ONLY=, the lines and the table. */
  readonly name: string;
  readonly versions: readonly Version[];
  /** How often it is drawn, relative to the others. 1: the usual. */
  readonly weight: number;
  /**
   * `ends`: the node is dead, or was restarted, when `strike` resolves. At most one such fault strikes in a round.
   * `disturbs`: the node goes on. Faults of one round strike at the same time, so a fault must bear that another one kills the
   * node under it. `alone`: no other fault strikes in the round.
   */
  readonly kind: 'ends' | 'disturbs' | 'alone';
  /** The bound of honest clients' p99 while it strikes, for faults that may only slow them: hostile clients, slow disks. */
  readonly honestP99Milliseconds?: number;
  /** What the round's start needs for it. A running service without these is stopped and started again. Drawn before the round. */
  readonly needs?: (random: Random) => ServiceStart;
  /**
   * Prepares the empty folder of a life in which this fault can occur, before the first start: mounts a small file system on
   * it, for example. Returns the undo. At most one fault of a life has one. Throws where the machine does not allow it.
   */
  readonly prepare?: (folder: string) => Promise<() => Promise<void>>;
  /**
   * Strikes in the middle of the load and resolves when the fault is over: lifted, whatever happened. It rejects only for a
   * defect of its own or a broken promise that it saw (the message becomes the problem of the round). It must end within a
   * second or two, and waits by `whenAcknowledged`, not by the clock.
   */
  strike(round: Round): Promise<void>;
}

/** How a service is started: added to what the harness draws itself (durability, threads, interval). */
export type ServiceStart = Pick<ServiceOptions, 'env' | 'wrapper' | 'preload'>;

/** Figures that faults add to. */
export interface Figures {
  /** Processes ended by SIGKILL. */
  kills: number;
  /** Processes ended by another signal. */
  stops: number;
  /** Calls of the injected disk that failed, did a part, or were slow. */
  diskStrikes: number;
}

/** What a fault sees of its round. */
export interface Round {
  readonly version: Version;
  /** From 1 in its life. */
  readonly number: number;
  /** The fault's own generator: its draws do not depend on the other fault. */
  readonly random: Random;
  /** The node that the fault is for. Version 2 draws one of its nodes. */
  readonly node: Node;
  /** All nodes. Version 1 has one; version 2 has a receiver and a store, which may be the same process. */
  readonly nodes: readonly Node[];
  /** The broker and the ways to it; undefined in version 1. */
  readonly broker: BrokerUnderTest | undefined;
  /** The service that accepts batches; throws when it is dead. */
  receiver(): Service;
  /** Lines of hour files that faults of earlier rounds of this life damaged. */
  damagedLines(): number;
  /** Batches acknowledged in this life. */
  acknowledged(): number;
  /**
   * Resolves with true after `more` further acknowledgements. With false when they cannot come: the load ended, or none came for ten
   * seconds (because of another fault, or because the service hangs, which the check after the fault then finds).
   */
  whenAcknowledged(more: number): Promise<boolean>;
  /** Ends the load of this round and waits for its requests. For faults that need quiet. */
  endLoad(): Promise<void>;
  /** Sends and remembers batches, under the same checks as the load. For clients that behave in a special way. */
  readonly batches: BatchSource;
  /** Says what this fault excuses. It holds for the round, for the next start, and for the end of the life where it says so. */
  allow(allowance: Allowance): void;
  /** A few words for the line of the round, such as the file and byte that were struck. */
  note(text: string): void;
  /** Adds to a figure of the final table. */
  count(figure: keyof Figures, by?: number): void;
}

/** One process of a deployment, over its restarts. */
export interface Node {
  readonly name: 'service' | 'receiver' | 'store';
  readonly dirs: Dirs;
  /** The running process; undefined when it is dead. */
  service(): Service | undefined;
  /** Sends the signal and waits for the end. The harness starts it again after the faults. Does nothing when it is dead. */
  end(signal: NodeJS.Signals): Promise<Exit | undefined>;
  /** Starts it before the harness does, with what the round drew, and `extra`. Rejects with the log when it does not come up. */
  start(extra?: ServiceStart): Promise<Service>;
}

/** What would be a broken promise without the fault. Each part is as narrow as the fault allows. */
export interface Allowance {
  /** Messages (`msg`) of log lines of level error and above. */
  readonly errors?: readonly RegExp[];
  /** Statuses of batches besides 202. 503: nothing of the batch is stored (version 2: it may be). None: the connection ended. */
  readonly statuses?: readonly (503 | 'none')[];
  /** Ends of a process besides `{ code: 0 }` after one SIGTERM. */
  readonly exits?: readonly Exit[];
  /** Stored lines, as they were, whose bytes the fault changed: they may be missing or changed, all others not. To the life's end. */
  readonly damagedLines?: readonly string[];
  /** What `logforge verify` must report at the life's end, once for each. Without any it must say that all is well. */
  readonly damageReports?: readonly RegExp[];
  /** The fault's clients store records of their own, in other hours than those of the load. */
  readonly foreignRecords?: true;
  /** The fault took away what recognises repeated keys: a batch sent again may be stored again, whole. To the life's end. */
  readonly forgottenKeys?: true;
}

/** Makes batches and takes their outcomes. */
export interface BatchSource {
  make(options?: MakeOptions): Sending;
  /**
   * Notes the end of one request with the batch; `status` 0: the connection ended without a whole answer. `incomplete`: the
   * service never got the whole batch. Call it once for each request that was begun. A 202 for a batch that had one before must
   * have the same body.
   */
  answered(batch: Sending, answer: Answer | 'incomplete'): void;
}

/** The processes under test. Version 1 and version 2 have one each; `life.ts` knows only this. */
export interface Deployment {
  /** The first of them accepts batches. */
  readonly nodes: readonly Node[];
  /** The broker and the ways to it; undefined in version 1. */
  readonly broker: BrokerUnderTest | undefined;
  /** Whether acknowledged batches that a connection sent one after the other stand in each hour file in that order. */
  readonly keepsOrder: boolean;
  /** Starts the nodes that are dead, and stops (in order, checked) and starts those that run with another `start`. */
  start(start: ServiceStart): Promise<void>;
  receiver(): Service;
  /** Every process of the life, for what its log says. */
  readonly started: readonly Service[];
  /** The ends of processes since the last call. */
  takeEnds(): readonly End[];
  /** The folders whose hour files hold the records. */
  readonly storeDirs: Dirs;
  /**
   * No request is in flight. Waits until what was acknowledged is stored. `settled`: it is, and conservation can be checked.
   * `open`: not in this round, which only `thorough: false` allows.
   */
  rest(options: { readonly thorough: boolean }): Promise<'settled' | 'open'>;
  /** Stops all nodes in order by SIGTERM. `takeEnds` has their exits. */
  stop(): Promise<void>;
  /** Kills what still runs. The folders stay. */
  dispose(): Promise<void>;
}

/** How a process ended. */
export interface End {
  readonly node: Node['name'];
  /** The last signal that `end` or `stop` sent; undefined: it ended by itself. */
  readonly signal: NodeJS.Signals | undefined;
  readonly exit: Exit;
  /** From that signal to the end. */
  readonly milliseconds: number;
  /** The last part of its log. */
  readonly lastWords: string;
}

/** A life as drawn: enough to run it again. */
export interface LifePlan {
  readonly seed: number;
  readonly life: number;
  readonly version: Version;
  readonly rounds: readonly RoundPlan[];
}

export interface RoundPlan {
  readonly number: number;
  /** For the load and the faults of this round. */
  readonly seed: number;
  /** One or two. */
  readonly faults: readonly Fault[];
  /** Begins with the service killed so many milliseconds after the beginning of a start. */
  readonly killStartAfterMs: number | undefined;
  /** Where it differs from the round before, running processes are stopped and started with it. */
  readonly start: ServiceStart;
}

/** What one round showed. It went well when `problems` is empty. */
export interface RoundResult {
  readonly life: number;
  readonly number: number;
  readonly faults: readonly string[];
  readonly notes: readonly string[];
  readonly problems: readonly string[];
  readonly milliseconds: number;
  /** From the end of the faults (or from the moment the restarted service listened) to the first 202. */
  readonly nextRequestMilliseconds: number;
  /** p99 of the round's honest requests; undefined where a fault stops the service, so that there is no bound. */
  readonly honestP99Milliseconds: number | undefined;
  readonly figures: Figures;
}
