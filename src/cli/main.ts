import { ConfigError } from '../config/problem.ts';
import { nearest } from '../model/nearest.ts';
import { aggregate } from './aggregate.ts';
import { collect } from './collect.ts';
import { type Command, EXIT, type Io, UsageError } from './command.ts';
import { createCompletion } from './completion.ts';
import { dlq } from './dlq.ts';
import { forward } from './forward.ts';
import { generate } from './generate.ts';
import { renderHelp, renderOverview } from './help.ts';
import { listen } from './listen.ts';
import { printable, printableLines } from './print.ts';
import { query } from './query.ts';
import { registry } from './registry.ts';
import { replay } from './replay.ts';
import { serve } from './serve.ts';
import { store } from './store.ts';
import { tail } from './tail.ts';
import { top } from './top.ts';
import { validate } from './validate.ts';
import { verify } from './verify.ts';
import { version } from './version.ts';

/** Every command, in the order of the help. A new one is its file and its row here. */
export const commands: readonly Command[] = [
  serve,
  validate,
  aggregate,
  listen,
  replay,
  forward,
  collect,
  top,
  tail,
  query,
  dlq,
  verify,
  registry,
  store,
  generate,
  version,
  createCompletion(() => commands),
];

/** Runs one command line, without `node` and the program's name, and resolves to the exit status. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  const [first, ...rest] = args;
  if (first === undefined) {
    io.stderr.write(renderOverview(commands, io.stderr.columns));
    return EXIT.usage;
  }
  if (first === '--version') return runCommand(version, 'version', rest, io);
  if (first === '--help' || first === '-h' || (first === 'help' && rest.length === 0)) {
    io.stdout.write(renderOverview(commands, io.stdout.columns));
    return EXIT.ok;
  }
  if (first === 'help') return main([...rest, '--help'], io);
  const command = commands.find(({ name }) => name === first);
  if (command !== undefined) return runCommand(command, command.name, rest, io);
  io.stderr.write(`logforge: ${printable(describeUnknown(first, commands))}\nSee 'logforge --help'.\n`);
  return EXIT.usage;
}

async function runCommand(command: Command, name: string, args: readonly string[], io: Io): Promise<number> {
  const [first] = args;
  const sub = command.subcommands?.find((each) => each.name === first);
  if (sub !== undefined) return runCommand(sub, `${name} ${sub.name}`, args.slice(1), io);
  if (asksForHelp(args)) {
    io.stdout.write(renderHelp(command, name, io.stdout.columns));
    return EXIT.ok;
  }
  try {
    if (command.subcommands !== undefined && first !== undefined && !first.startsWith('-')) {
      throw new UsageError(describeUnknown(first, command.subcommands));
    }
    return await command.run(args, io);
  } catch (error) {
    return complain(error, name, io);
  }
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).some((word) => word === '--help' || word === '-h');
}

function describeUnknown(word: string, known: readonly Command[]): string {
  const kind = word.startsWith('-') ? 'flag' : 'command';
  const meant = nearest(word, [...known.map(({ name }) => name), '--help', '--version']);
  return meant === undefined ? `unknown ${kind} ${word}` : `unknown ${kind} ${word}, did you mean ${meant}?`;
}

function complain(error: unknown, name: string, io: Io): number {
  if (error instanceof UsageError) {
    io.stderr.write(`logforge ${name}: ${printableLines(error.message)}\nSee 'logforge ${name} --help'.\n`);
    return EXIT.usage;
  }
  if (error instanceof ConfigError) {
    const { length } = error.problems;
    io.stderr.write(
      `${printableLines(error.message)}\nlogforge ${name}: ${length} ${length === 1 ? 'problem' : 'problems'} in the configuration\n`,
    );
    return EXIT.config;
  }
  io.stderr.write(`logforge ${name}: ${printableLines(error instanceof Error ? error.message : String(error))}\n`);
  return EXIT.failure;
}

/** A reader that stops reading (`| head`) is not a failure. Output that cannot be written is one. */
function onOutputError(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  process.stderr.write(`logforge: cannot write output: ${error.message}\n`);
  process.exit(EXIT.failure);
}

if (import.meta.main) {
  const { stdout, stderr, stdin, env } = process;
  // Without a listener this signal opens a debugger, which would run any code for whoever reaches its port.
  process.on('SIGUSR1', () => undefined);
  stdout.on('error', onOutputError);
  stderr.on('error', () => {});
  process.exitCode = await main(process.argv.slice(2), { stdout, stderr, stdin, env });
}
