import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Command } from './command.ts';
import { createCompletion } from './completion.ts';
import { loadCommands } from './main.ts';
import { createTestIo } from './test-io.case.ts';

const execute = promisify(execFile);
const commands = await loadCommands();

async function scriptFor(shell: string): Promise<string> {
  const { io, stdout } = createTestIo();
  expect(await createCompletion(loadCommands).run([shell], io)).toBe(0);
  return stdout();
}

/** What bash offers for a line whose last word is being typed. */
async function complete(...words: string[]): Promise<string[]> {
  const quoted = ['logforge', ...words].map((word) => `'${word}'`).join(' ');
  const script = `${await scriptFor('bash')}
    compopt() { :; }
    COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _logforge; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await execute('bash', ['-c', script], { cwd: import.meta.dirname });
  return stdout.split('\n').filter((word) => word !== '');
}

describe('bash', () => {
  test('offers the commands', async () => {
    expect(await complete('')).toEqual([...commands.map(({ name }) => name), '--help', '--version']);
    expect(await complete('val')).toEqual(['validate']);
  });

  test('offers subcommands and the flags of each', async () => {
    expect(await complete('dlq', '')).toEqual(['list', 'show', 'replay', '--help']);
    expect(await complete('dlq', 'show', '--l')).toEqual(['--limit']);
    expect(await complete('dlq', 'list', '--l')).toEqual([]);
    expect(await complete('dlq', 'list', '--day', '2025-11-22', '--st')).toEqual(['--stage', '--stream']);
  });

  test('offers the values of a flag', async () => {
    expect(await complete('dlq', 'list', '--stage', '')).toEqual(['ingest', 'consume', 'input']);
    expect(await complete('validate', '--version', '')).toEqual(['1', '2']);
    expect(await complete('dlq', 'show', '--limit', '')).toEqual([]);
    expect(await complete('completion', '')).toEqual(['bash', 'zsh', 'fish', '--help']);
  });

  test('offers files and directories where they are meant', async () => {
    expect(await complete('validate', 'comm')).toEqual(['command.ts']);
    expect(await complete('validate', '-c', 'comm')).toEqual(['command.ts']);
    expect(await complete('dlq', 'show', '--dlq-dir', 'comm')).toEqual([]);
    expect(await complete('version', 'comm')).toEqual([]);
  });
});

test('zsh knows the letters of flags too', async () => {
  expect(await scriptFor('zsh')).toMatch(/'-c\[Configuration file .*\]:config:_files'/);
});

describe.each(['bash', 'zsh', 'fish'])('%s', (shell) => {
  test('knows every command and flag', async () => {
    const script = await scriptFor(shell);
    const check = (command: Command) => {
      expect(script).toContain(command.name);
      for (const flag of Object.keys(command.options))
        expect(script).toContain(shell === 'fish' ? `-l ${flag}` : `--${flag}`);
      for (const sub of command.subcommands ?? []) check(sub);
    };
    for (const command of commands) check(command);
  });
});

test('quotes are safe in every shell', async () => {
  const awkward: Command = {
    name: 'awkward',
    summary: "it's: a [test] (of) \\ $HOME `id`",
    help: { synopsis: [], description: [], examples: [] },
    options: { odd: { value: 'X', help: "it's: a [test] $HOME `id`" } },
    run: async () => 0,
  };
  const { io, stdout } = createTestIo();
  for (const shell of ['bash', 'zsh', 'fish']) await createCompletion(async () => [awkward]).run([shell], io);
  expect(stdout()).toContain(`'--odd=[it'\\''s\\: a \\[test\\] $HOME \`id\`]:odd: '`);
  expect(stdout()).toContain(`-l odd -x -d 'it\\'s: a [test] $HOME \`id\`'`);
});
