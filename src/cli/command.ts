import type { Readable, Writable } from 'node:stream';

/** The parts of the process that a command uses. They are passed in, so that a test can replace them. */
export interface Io {
  /** The command's result, and nothing else. */
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };
  /** Progress, logs and errors. */
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stdin: Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What a command's promise resolves to. */
export const EXIT = { ok: 0, failure: 1, usage: 2, config: 78 } as const;

/** One `--flag`. Without `value` it is a switch. */
export interface Option {
  /** Name of the value in the help, such as `ADDR`; makes the flag take one. */
  readonly value?: string;
  readonly short?: string;
  /** One or two sentences, with default and unit. */
  readonly help: string;
  /** The allowed values; any other is a usage error. */
  readonly choices?: readonly string[];
  /** The kind of the value, for shell completion. */
  readonly completes?: 'file' | 'directory';
}

/** By long name, without the dashes. */
export type Options = Readonly<Record<string, Option>>;

/** The pages `--help` prints; options, exit codes 0 and 2 and `--help` itself are added by the renderer. */
export interface Help {
  /** The lines of the synopsis, without `logforge` in front. */
  readonly synopsis: readonly string[];
  /** Paragraphs; wrapped when printed. */
  readonly description: readonly string[];
  readonly examples: readonly { readonly text: string; readonly command: string }[];
  /** Beside 0 (done) and 2 (usage). */
  readonly exitCodes?: Readonly<Record<number, string>>;
  /** Environment variables that this command reads, beside those of the configuration. */
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * One command, in one file. `run` gets the words after the command's name, reads them with parseFlags, and resolves to
 * the exit status. It may throw: UsageError ends in status 2, ConfigError in 78, anything else in 1, each with its
 * message on stderr. `--help` is answered before `run` is called.
 */
export interface Command {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  readonly help: Help;
  readonly options: Options;
  /** `logforge dlq list`: then `run` is called only when none of them is named. */
  readonly subcommands?: readonly Command[];
  /** The kind of the positional arguments, for shell completion: files, or words of a list. */
  readonly completes?: 'file' | readonly string[];
  run(args: readonly string[], io: Io): Promise<number>;
}

/** The command line is wrong. `message` says why, without a newline. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
