import { ConfigError } from '../config/problem.ts';
import { nearest } from '../model/nearest.ts';
import { type Command, EXIT, type Io, UsageError } from './command.ts';
import { createCompletion } from './completion.ts';
import { renderHelp, renderOverview } from './help.ts';
import { printable, printableLines } from './print.ts';

/**
 * Every command by its name, in the order of the help. A new one is its file and its row here. Only the one that runs is loaded: to load all
 * takes 0.4 s of a CPU, and 40 MB more than a forwarder needs.
 */
const LOADERS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serve,
  validate: async () => (await import('./validate.ts')).validate,
  aggregate: async () => (await import('./aggregate.ts')).aggregate,
  listen: async () => (await import('./listen.ts')).listen,
  replay: async () => (await import('./replay.ts')).replay,
  forward: async () => (await import('./forward.ts')).forward,
  collect: async () => (await import('./collect.ts')).collect,
  top: async () => (await import('./top.ts')).top,
  tail: async () => (await import('./tail.ts')).tail,
  query: async () => (await import('./query.ts')).query,
  dlq: async () => (await import('./dlq.ts')).dlq,
  verify: async () => (await import('./verify.ts')).verify,
  registry: async () => (await import('./registry.ts')).registry,
  store: async () => (await import('./store.ts')).store,
  generate: async () => (await import('./generate.ts')).generate,
  version: async () => (await import('./version.ts')).version,
  completion: () => Promise.resolve(createCompletion(loadCommands)),
};

/** Every command, in the order of the help. */
export function loadCommands(): Promise<readonly Command[]> {
  return Promise.all(Object.values(LOADERS).map((load) => load()));
}

/** Runs one command line, without `node` and the program's name, and resolves to the exit status. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  const [first, ...rest] = args;
  if (first === undefined) {
    io.stderr.write(renderOverview(await loadCommands(), io.stderr.columns));
    return EXIT.usage;
  }
  if (first === '--version') return main(['version', ...rest], io);
  if (first === '--help' || first === '-h' || (first === 'help' && rest.length === 0)) {
    io.stdout.write(renderOverview(await loadCommands(), io.stdout.columns));
    return EXIT.ok;
  }
  if (first === 'help') return main([...rest, '--help'], io);
  const load = Object.hasOwn(LOADERS, first) ? LOADERS[first] : undefined;
  if (load !== undefined) return runCommand(await load(), first, rest, io);
  io.stderr.write(`logforge: ${printable(describeUnknown(first, Object.keys(LOADERS)))}\nSee 'logforge --help'.\n`);
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
      throw new UsageError(describeUnknown(first, namesOf(command.subcommands)));
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

function namesOf(commands: readonly Command[]): readonly string[] {
  return commands.map(({ name }) => name);
}

function describeUnknown(word: string, known: readonly string[]): string {
  const kind = word.startsWith('-') ? 'flag' : 'command';
  const meant = nearest(word, [...known, '--help', '--version']);
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
