import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Command } from './command.ts';
import { loadCommands, main } from './main.ts';
import { createTestIo } from './test-io.case.ts';

const commands = await loadCommands();
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'logforge-cli-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const { io, stdout, stderr } = createTestIo({ env });
  return { code: await main(args, io), stdout: stdout(), stderr: stderr() };
}

function flatten(list: readonly Command[], path: readonly string[] = []): (readonly [readonly string[], Command])[] {
  return list.flatMap((command) => {
    const own = [...path, command.name];
    return [[own, command] as const, ...flatten(command.subcommands ?? [], own)];
  });
}

describe('help', () => {
  test('without a command goes to standard error with status 2', async () => {
    const { code, stdout, stderr } = await run([]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('SYNOPSIS');
  });

  test.each([['--help'], ['-h'], ['help']])('%s lists every command', async (...args) => {
    const { code, stdout, stderr } = await run(args);
    expect([code, stderr]).toEqual([0, '']);
    for (const { name, summary } of commands)
      expect(stdout).toMatch(new RegExp(`^ {2}${name} +${summary.slice(0, 20)}`, 'm'));
  });

  test.each(flatten(commands))('%j --help is a whole page of at most 80 columns', async (path, command) => {
    const { code, stdout, stderr } = await run([...path, '--help']);
    expect([code, stderr]).toEqual([0, '']);
    for (const title of ['NAME', 'SYNOPSIS', 'DESCRIPTION', 'OPTIONS', 'EXAMPLES', 'EXIT STATUS']) {
      expect(stdout).toMatch(new RegExp(`^${title}$`, 'm'));
    }
    for (const flag of [...Object.keys(command.options), 'help']) expect(stdout).toContain(`--${flag}`);
    for (const line of stdout.split('\n')) if (!line.startsWith('    $ ')) expect(line.length).toBeLessThanOrEqual(80);
    expect((await run(['help', ...path])).stdout).toBe(stdout);
    expect((await run([...path, '-h'])).stdout).toBe(stdout);
  });

  test('is not taken from behind --', async () => {
    expect(await run(['version', '--', '--help'])).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('usage errors have status 2 and the nearest known word', () => {
  test.each<[string[], string]>([
    [['validat'], "logforge: unknown command validat, did you mean validate?\nSee 'logforge --help'.\n"],
    [['zebra'], "logforge: unknown command zebra\nSee 'logforge --help'.\n"],
    [['--hlep'], "logforge: unknown flag --hlep, did you mean --help?\nSee 'logforge --help'.\n"],
    [['help', 'zebra'], "logforge: unknown command zebra\nSee 'logforge --help'.\n"],
    [
      ['version', '--jsn'],
      "logforge version: unknown flag --jsn, did you mean --json?\nSee 'logforge version --help'.\n",
    ],
    [['dlq'], "logforge dlq: a subcommand is missing: list, show or replay\nSee 'logforge dlq --help'.\n"],
    [['dlq', 'lst'], "logforge dlq: unknown command lst, did you mean list?\nSee 'logforge dlq --help'.\n"],
    [['dlq', 'list', '--stage', 'x'], '--stage must be one of ingest, consume, input, got "x"'],
    [['dlq', 'show', '--day', 'today'], '--day must be a day such as 2025-11-22, got "today"'],
    [['dlq', 'show', '--limit', '-1'], '--limit needs a value'],
    [['dlq', 'show', '--limit=many'], '--limit must be a whole number from 0 to 1000000, got "many"'],
    [['completion'], 'expected a shell: bash, zsh, fish'],
    [['completion', 'tcsh'], 'expected a shell: bash, zsh, fish'],
    [['validate', 'a', 'b'], 'unexpected argument "b"'],
    [['validate', 'a', '--config', 'b'], 'give either FILE or --config'],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await run(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });
});

describe('version', () => {
  test.each([['version'], ['--version']])('%s is one line', async (...args) => {
    const { code, stdout } = await run(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^logforge \d+\.\d+\.\d+ \(commit ([0-9a-f]{40}|unknown), built unknown, node v\d+\.\d+\.\d+\)\n$/,
    );
  });

  test('--json is one object', async () => {
    const { stdout } = await run(['version', '--json']);
    expect(Object.keys(JSON.parse(stdout))).toEqual(['version', 'commit', 'buildDate', 'node']);
  });
});

describe('the process', () => {
  const program = fileURLToPath(new URL('./main.ts', import.meta.url));

  test('ends quietly when its reader has seen enough', async () => {
    const line = '{"time":"t","stage":"ingest","reason":"r","raw":"x","source":""}\n';
    await writeFile(join(directory, '2025-01-01.ndjson'), line.repeat(20_000));
    const child = spawn(process.execPath, [program, 'dlq', 'show', '--limit', '0', '--dlq-dir', directory]);
    let complaint = '';
    child.stderr.on('data', (data) => {
      complaint += data;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(complaint).toBe('');
  });

  test('fails when its output cannot be written, and hands on the status', async () => {
    const shell = (command: string) => once(spawn('/bin/sh', ['-c', command, process.execPath, program]), 'close');
    expect(await shell('"$0" "$1" version > /dev/full')).toEqual([1, null]);
    expect(await shell('"$0" "$1" versoin')).toEqual([2, null]);
    expect(await shell('LOGFORGE_NO=1 "$0" "$1" validate')).toEqual([78, null]);
  });
});

test.each([
  [['valid\u009bate'], 2, 'unknown command valid\\u009bate'],
  [['tail', '--\u202eurl'], 2, '\\u202eurl'],
  [['validate', 'no\u001b[2Jfile'], 78, 'no\\u001b[2Jfile'],
  [['replay', '--url', 'http://127.0.0.1:1', 'no\u2066file'], 1, 'no\\u2066file'],
] as const)('a message about %j cannot steer the terminal', async (args, status, text) => {
  const { code, stdout, stderr } = await run(args);
  expect([code, stderr]).toEqual([status, expect.stringContaining(text)]);
  expect((stdout + stderr).replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});

describe('validate', () => {
  test('escapes what a file holds, in its problems and in what it shows', async () => {
    const file = join(directory, 'hostile.yaml');
    await writeFile(file, '"ser\\u009bver": 1\ningestion:\n  "max\\u202eDepth": 3\n  maxDepth: "\\u007f\\u200b"\n');
    const { code, stderr } = await run(['validate', file]);
    expect(code).toBe(78);
    for (const text of ['ser\\u009bver', 'max\\u202eDepth']) expect(stderr).toContain(text);
    expect(stderr).not.toMatch(/[\x7f-\x9f\u202e\u200b]/);
    await writeFile(file, 'kafka:\n  groupID: "a\\u009bb\\u202e"\n');
    const shown = await run(['validate', '--show', file]);
    expect(shown.stdout).toContain('a\\u009bb\\u202e');
    expect(shown.stdout).not.toMatch(/[\x7f-\x9f\u202e]/);
  });

  test('says ok to the defaults, and to a good file given in any way', async () => {
    const file = join(directory, 'good.yaml');
    await writeFile(file, 'server: {addr: ":1"}\n');
    const ok = { code: 0, stdout: 'ok\n', stderr: '' };
    expect(await run(['validate'])).toEqual(ok);
    expect(await run(['validate', file])).toEqual(ok);
    expect(await run(['validate', '-c', file, '--addr', ':2', '--version', '2'])).toEqual(ok);
    expect(await run(['validate'], { LOGFORGE_CONFIG: file })).toEqual(ok);
    expect(await run(['validate'], { LOGFORGE_CONFIG: '' })).toEqual(ok);
  });

  test('lists every problem of file, environment and flags, with status 78', async () => {
    const file = join(directory, 'bad.yaml');
    await writeFile(file, 'server:\n  adr: ":1"\n');
    const env = { LOGFORGE_CONFIG: file, LOGFORGE_SERVER_THREADS: '0' };
    const { code, stdout, stderr } = await run(['validate', '--aggregation-interval', '30'], env);
    expect([code, stdout]).toEqual([78, '']);
    expect(stderr.split('\n')).toEqual([
      `${file}:2: server.adr: unknown key, did you mean addr?`,
      'LOGFORGE_SERVER_THREADS: server.threads: expected a whole number from 1 to 64, got 0',
      expect.stringMatching(/^--aggregation-interval: aggregation.interval: expected a duration .* got "30"$/),
      'logforge validate: 3 problems in the configuration',
      '',
    ]);
  });

  test('--show prints every key in force and where it comes from, secrets masked', async () => {
    const { code, stdout } = await run(['validate', '--show', '--addr', ':1'], { LOGFORGE_AUTH_KEYS: 'hush' });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^KEY +VALUE +FROM\nversion +1 +default\nserver\.addr +:1 +--addr\n/);
    expect(stdout).toMatch(/^auth\.keys +\*{8} +LOGFORGE_AUTH_KEYS$/m);
    expect(stdout).not.toContain('hush');
  });

  test('a file that is not there is a problem', async () => {
    const { code, stderr } = await run(['validate', '/nowhere.yaml']);
    expect(code).toBe(78);
    expect(stderr).toContain('/nowhere.yaml: cannot read the file: ENOENT');
    expect(stderr).toContain('logforge validate: 1 problem in the configuration');
  });
});
