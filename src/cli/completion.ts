import { type Command, EXIT, type Option, UsageError } from './command.ts';
import { parseFlags } from './parse-flags.ts';

const SHELLS = { bash: renderBash, zsh: renderZsh, fish: renderFish } as const;
type Shell = keyof typeof SHELLS;

function isShell(name: string): name is Shell {
  return Object.hasOwn(SHELLS, name);
}

/** `commands` is a function because this command is itself in the table that it returns. */
export function createCompletion(commands: () => Promise<readonly Command[]>): Command {
  return {
    name: 'completion',
    summary: 'print completion for bash, zsh or fish',
    help: {
      synopsis: ['completion bash|zsh|fish'],
      description: ['Prints a script that teaches the shell the commands, flags and values of logforge.'],
      examples: [
        { text: 'bash, for this session:', command: 'source <(logforge completion bash)' },
        { text: 'zsh, into a directory of $fpath:', command: 'logforge completion zsh > ~/.zfunc/_logforge' },
        { text: 'fish:', command: 'logforge completion fish > ~/.config/fish/completions/logforge.fish' },
      ],
    },
    options: {},
    completes: Object.keys(SHELLS),
    async run(args, io) {
      const [shell = ''] = parseFlags(args, {}, { maxPositionals: 1 }).positionals;
      if (!isShell(shell)) throw new UsageError(`expected a shell: ${Object.keys(SHELLS).join(', ')}`);
      io.stdout.write(SHELLS[shell](flatten(await commands())));
      return EXIT.ok;
    },
  };
}

/** A command with its whole path, such as `dlq list`: the scripts have no tree of commands. */
interface Entry {
  readonly path: string;
  readonly command: Command;
  readonly flags: readonly (readonly [name: string, option: Option])[];
}

function flatten(commands: readonly Command[], prefix = ''): readonly Entry[] {
  return commands.flatMap((command) => {
    const path = `${prefix}${command.name}`;
    const flags = Object.entries({ ...command.options, help: { help: 'Print the help page.' } });
    return [{ path, command, flags }, ...flatten(command.subcommands ?? [], `${path} `)];
  });
}

function namesBelow(entries: readonly Entry[], path: string): readonly Entry[] {
  const depth = path === '' ? 1 : path.split(' ').length + 1;
  return entries.filter(
    (entry) => entry.path.split(' ').length === depth && entry.path.startsWith(path === '' ? '' : `${path} `),
  );
}

function argumentsOf({ completes }: Command): readonly string[] {
  return Array.isArray(completes) ? completes : [];
}

function quoteSh(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function renderBash(entries: readonly Entry[]): string {
  const words = entries.map(({ path, command, flags }) => {
    const below = namesBelow(entries, path).map((entry) => entry.command.name);
    return `    ${quoteSh(path)}) words=${quoteSh([...below, ...argumentsOf(command), ...flags.map(([name]) => `--${name}`)].join(' '))} ;;`;
  });
  const values = entries.flatMap(({ path, flags }) =>
    flags
      .filter(([, option]) => option.value !== undefined)
      .map(([name, option]) => {
        const names = [`${path} --${name}`, ...(option.short === undefined ? [] : [`${path} -${option.short}`])];
        return `    ${names.map(quoteSh).join('|')}) ${bashValue(option)}; return ;;`;
      }),
  );
  const files = entries.filter(({ command }) => command.completes === 'file').map(({ path }) => quoteSh(path));
  return `# bash completion of logforge
_logforge() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path='' word words=''
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
      ${entries.map(({ path }) => quoteSh(path)).join('|')}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path $previous" in
${values.join('\n')}
  esac
  case "$path" in
    '') words=${quoteSh([...namesBelow(entries, '').map(({ path }) => path), '--help', '--version'].join(' '))} ;;
${words.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  case "$path" in
    ${files.length === 0 ? "'/'" : files.join('|')}) [[ $current == -* ]] || COMPREPLY+=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _logforge logforge
`;
}

function bashValue(option: Option): string {
  if (option.choices !== undefined)
    return `COMPREPLY=($(compgen -W ${quoteSh(option.choices.join(' '))} -- "$current"))`;
  if (option.completes === 'directory') return 'COMPREPLY=($(compgen -d -- "$current"))';
  return option.completes === 'file' ? 'COMPREPLY=($(compgen -f -- "$current"))' : ':';
}

const ZSH_LOCALS = '  local curcontext="$curcontext" state line';

function renderZsh(entries: readonly Entry[]): string {
  const functions = entries.map((entry) => {
    const below = namesBelow(entries, entry.path);
    const flags = entry.flags.flatMap(([name, option]) => zshFlags(name, option).map((flag) => `    ${quoteSh(flag)}`));
    const rest = below.length > 0 ? zshCommands(below) : zshArguments(entry.command);
    return [
      `${zshFunction(entry.path)}() {`,
      ZSH_LOCALS,
      '  _arguments -C \\',
      [...flags, ...rest].join(' \\\n'),
      ...zshDispatch(below),
      '}',
    ].join('\n');
  });
  const top = namesBelow(entries, '');
  return `#compdef logforge
${functions.join('\n')}
_logforge() {
${ZSH_LOCALS}
  _arguments -C \\
    '--help[Print the list of commands.]' \\
    '--version[Print the version.]' \\
${zshCommands(top).join(' \\\n')}
${zshDispatch(top).join('\n')}
}
if [ "$funcstack[1]" = '_logforge' ]; then _logforge "$@"; else compdef _logforge logforge; fi
`;
}

function zshArguments(command: Command): string[] {
  if (command.completes === 'file') return ["    '*:file:_files'"];
  const words = argumentsOf(command);
  return words.length === 0 ? [] : [`    ${quoteSh(`1:argument:(${words.join(' ')})`)}`];
}

function zshFunction(path: string): string {
  return `_logforge_${path.replaceAll(' ', '_')}`;
}

function zshCommands(below: readonly Entry[]): string[] {
  const described = below.map(({ command }) => `${command.name}\\:${quoteZsh(command.summary)}`).join(' ');
  return [`    ${quoteSh(`1:command:((${described}))`)}`, "    '*::argument:->rest'"];
}

function zshDispatch(below: readonly Entry[]): string[] {
  if (below.length === 0) return [];
  const cases = below.map(({ path, command }) => `    ${command.name}) ${zshFunction(path)} ;;`);
  return ['  [[ $state == rest ]] && case $line[1] in', ...cases, '  esac'];
}

function quoteZsh(text: string): string {
  return text.replace(/[\\\s'":()[\]]/g, '\\$&');
}

function zshFlags(name: string, { value, short, help, choices, completes }: Option): string[] {
  const text = help.replace(/[[\]:]/g, '\\$&');
  const action =
    choices !== undefined
      ? `(${choices.join(' ')})`
      : completes === undefined
        ? ' '
        : completes === 'file'
          ? '_files'
          : '_files -/';
  const takes = value === undefined ? '' : `:${name}:${action}`;
  const long = `--${name}${value === undefined ? '' : '='}[${text}]${takes}`;
  return short === undefined ? [long] : [long, `-${short}[${text}]${takes}`];
}

/** In fish a backslash escapes within single quotes too. */
function quoteFish(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

function renderFish(entries: readonly Entry[]): string {
  const lines = ['# fish completion of logforge', 'complete -c logforge -f'];
  for (const { path, command, flags } of entries) {
    const parent = path.split(' ').slice(0, -1);
    const siblings = namesBelow(entries, parent.join(' ')).map((entry) => entry.command.name);
    const above = parent.length === 0 ? '__fish_use_subcommand' : fishSeen(parent, siblings);
    const within = fishSeen(path.split(' '), []);
    lines.push(`complete -c logforge -n ${quoteFish(above)} -a ${command.name} -d ${quoteFish(command.summary)}`);
    const words = argumentsOf(command).join(' ');
    if (words !== '') lines.push(`complete -c logforge -n ${quoteFish(within)} -a ${quoteFish(words)}`);
    if (command.completes === 'file') lines.push(`complete -c logforge -n ${quoteFish(within)} -F`);
    for (const [name, option] of flags) {
      lines.push(
        `complete -c logforge -n ${quoteFish(within)} -l ${name}${fishValue(option)} -d ${quoteFish(option.help)}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

function fishSeen(path: readonly string[], unless: readonly string[]): string {
  const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const not = unless.length === 0 ? [] : [`not __fish_seen_subcommand_from ${unless.join(' ')}`];
  return [...seen, ...not].join('; and ');
}

function fishValue({ value, choices, completes, short }: Option): string {
  const letter = short === undefined ? '' : ` -s ${short}`;
  if (value === undefined) return letter;
  if (choices !== undefined) return `${letter} -x -a ${quoteFish(choices.join(' '))}`;
  return completes === undefined ? `${letter} -x` : `${letter} -r -F`;
}
