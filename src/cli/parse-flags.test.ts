import { describe, expect, test } from 'vitest';
import { type Options, UsageError } from './command.ts';
import { parseFlags, toCount, toTwoDashes } from './parse-flags.ts';

const options = {
  addr: { value: 'ADDR', short: 'a', help: '' },
  mode: { value: 'MODE', choices: ['one', 'two'], help: '' },
  quiet: { short: 'q', help: '' },
} satisfies Options;

describe('reads', () => {
  test.each<[string[], object]>([
    [[], { addr: undefined, mode: undefined, quiet: false }],
    [['--addr', ':1'], { addr: ':1' }],
    [['--addr=:1'], { addr: ':1' }],
    [['--addr='], { addr: '' }],
    [['--addr=-x'], { addr: '-x' }],
    [['--addr', '-'], { addr: '-' }],
    [['-a', ':1'], { addr: ':1' }],
    [['-a:1'], { addr: ':1' }],
    [['-qa', ':1'], { addr: ':1', quiet: true }],
    [['--addr', ':1', '--addr', ':2'], { addr: ':2' }],
    [['--quiet', '--mode', 'two'], { quiet: true, mode: 'two' }],
  ])('%j', (args, values) => expect(parseFlags(args, options).values).toMatchObject(values));

  test('positionals, also behind --', () => {
    const { positionals, values } = parseFlags(['a', '--quiet', '-', '--', '--addr'], options, { maxPositionals: 3 });
    expect(positionals).toEqual(['a', '-', '--addr']);
    expect(values).toMatchObject({ quiet: true, addr: undefined });
  });
});

describe('refuses', () => {
  test.each<[string[], string]>([
    [['--adr', ':1'], 'unknown flag --adr, did you mean --addr?'],
    [['--zebra'], 'unknown flag --zebra'],
    [['-x'], 'unknown flag -x'],
    [['--constructor'], 'unknown flag --constructor'],
    [['--__proto__=1'], 'unknown flag --__proto__'],
    [['--no-quiet'], 'unknown flag --no-quiet'],
    [['--hepl'], 'unknown flag --hepl, did you mean --help?'],
    [['--addr'], '--addr needs a value: --addr ADDR'],
    [['--addr', '--quiet'], '--addr needs a value: --addr ADDR'],
    [['-a'], '-a needs a value: -a ADDR'],
    [['--quiet=yes'], '--quiet takes no value'],
    [['--mode', 'three'], '--mode must be one of one, two, got "three"'],
    [['file'], 'unexpected argument "file"'],
    [['--', '--addr'], 'unexpected argument "--addr"'],
  ])('%j', (args, message) => expect(() => parseFlags(args, options)).toThrow(new UsageError(message)));
});

test('counts are whole numbers within their bounds', () => {
  const bounds = { min: 0, max: 10 };
  expect([toCount('n', '0', bounds), toCount('n', '10', bounds)]).toEqual([0, 10]);
  for (const text of ['11', '-1', '1.5', '', 'x', '1e1', '0x1', '99999999999999999999']) {
    expect(() => toCount('n', text, bounds)).toThrow(
      new UsageError(`--n must be a whole number from 0 to 10, got ${JSON.stringify(text)}`),
    );
  }
});

describe('toTwoDashes', () => {
  const options = { config: { value: 'FILE', short: 'c', help: '' }, 'logs-dir': { value: 'DIR', help: '' } };

  test('takes long flags as the flag package of Go does', () => {
    const args = ['-config=a.yaml', '-logs-dir', '/srv/-logs', '--config', 'b'];
    expect(toTwoDashes(args, options)).toEqual(['--config=a.yaml', '--logs-dir', '/srv/-logs', '--config', 'b']);
  });

  test('changes no short flag, no unknown flag, and nothing after --', () => {
    const args = ['-c', 'a', '-cfile', '-verbose', '-logs', '--', '-config'];
    expect(toTwoDashes(args, options)).toEqual(args);
  });
});
