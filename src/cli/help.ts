import type { Command, Option } from './command.ts';

const MIN_COLUMNS = 40;
const MAX_COLUMNS = 100;

/** The page `logforge <name> --help` prints. `name` is the whole path, such as `dlq list`. */
export function renderHelp(command: Command, name: string, columns?: number): string {
  const { help, options, subcommands = [] } = command;
  const allOptions = { ...options, help: { short: 'h', help: 'Print this page.' } };
  return page(columns, [
    ['NAME', [{ text: `logforge ${name} - ${command.summary}` }]],
    ['SYNOPSIS', synopsis(help.synopsis)],
    ['DESCRIPTION', help.description.flatMap((text, index) => (index === 0 ? [{ text }] : [{ text: '' }, { text }]))],
    ['COMMANDS', columnsOf(subcommands.map((sub) => [sub.name, sub.summary]))],
    ['OPTIONS', entries(Object.entries(allOptions).map(([flag, option]) => [describeFlag(flag, option), option.help]))],
    ['EXAMPLES', help.examples.flatMap(example)],
    ['ENVIRONMENT', entries(Object.entries(help.environment ?? {}))],
    ['EXIT STATUS', columnsOf(Object.entries({ 0: 'Done.', 2: 'The command line was wrong.', ...help.exitCodes }))],
  ]);
}

/** The page `logforge --help` prints. */
export function renderOverview(commands: readonly Command[], columns?: number): string {
  return page(columns, [
    ['NAME', [{ text: 'logforge - accept batches of access records, store them in hourly files and count them' }]],
    ['SYNOPSIS', synopsis(['COMMAND [OPTION]...', 'COMMAND --help', '--version'])],
    ['COMMANDS', columnsOf(commands.map((command) => [command.name, command.summary]))],
    [
      'EXAMPLES',
      [
        { text: 'Run the service on its defaults, listening on port 8082:', command: 'logforge serve' },
        { text: 'Send it an access log:', command: 'logforge replay access.log' },
        {
          text: 'Follow its files and send what is appended:',
          command: 'logforge forward http://localhost:8082 "/var/log/nginx/*access.log*"',
        },
      ].flatMap(example),
    ],
    [
      'EXIT STATUS',
      columnsOf([
        ['0', 'Done.'],
        ['1', 'It failed; standard error says why.'],
        ['2', 'The command line was wrong.'],
        ['78', 'The configuration was wrong; every problem is listed on standard error.'],
      ]),
    ],
  ]);
}

interface Line {
  readonly text: string;
  readonly indent?: number;
  /** Further indentation of the lines after the first. */
  readonly hang?: number;
  /** Never broken, so that it can be copied. */
  readonly isWhole?: boolean;
}

function synopsis(lines: readonly string[]): readonly Line[] {
  return lines.map((text) => ({ text: `logforge ${text}`, hang: 4 }));
}

function example({ text, command }: { readonly text: string; readonly command: string }): readonly Line[] {
  return [{ text }, { text: `$ ${command}`, indent: 2, isWhole: true }];
}

/** A name on its own line, its meaning below. */
function entries(rows: readonly (readonly [name: string, text: string])[]): readonly Line[] {
  return rows.flatMap(([name, text]) => [
    { text: name, isWhole: true },
    { text, indent: 4 },
  ]);
}

/** Short names on the left, their meaning on the right. */
function columnsOf(rows: readonly (readonly [name: string, text: string])[]): readonly Line[] {
  const width = Math.max(0, ...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, text]) => ({ text: name.padEnd(width) + text, hang: width }));
}

function describeFlag(name: string, { value, short }: Option): string {
  const long = value === undefined ? `--${name}` : `--${name} ${value}`;
  return short === undefined ? long : `-${short}, ${long}`;
}

function page(
  columns: number | undefined,
  parts: readonly (readonly [title: string, lines: readonly Line[]])[],
): string {
  const width = Math.min(Math.max(columns ?? 80, MIN_COLUMNS), MAX_COLUMNS);
  const filled = parts.filter(([, lines]) => lines.length > 0);
  return filled
    .map(([title, lines]) => `${title}\n${lines.flatMap((line) => wrap(line, width)).join('\n')}\n`)
    .join('\n');
}

/** Breaks a line at spaces. */
function wrap({ text, indent = 0, hang = 0, isWhole = false }: Line, width: number): readonly string[] {
  const first = ' '.repeat(2 + indent);
  if (isWhole || text === '') return [text === '' ? '' : first + text];
  const further = first + ' '.repeat(hang);
  const pieces: string[] = [];
  let rest = text;
  for (;;) {
    const lead = pieces.length === 0 ? first : further;
    const room = width - lead.length;
    const atSpace = rest.length <= room ? -1 : rest.lastIndexOf(' ', room);
    const end = rest.length <= room ? rest.length : atSpace > hang ? atSpace : rest.indexOf(' ', hang + 1);
    if (end <= 0 || end >= rest.length) return [...pieces, lead + rest];
    pieces.push(lead + rest.slice(0, end));
    rest = rest.slice(end + 1).trimStart();
  }
}
