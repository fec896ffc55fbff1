import { describe, expect, it, test } from 'vitest';
import { UsageError } from './command.ts';
import { fileOptions, readFileOptions } from './file-options.ts';
import { parseFlags } from './parse-flags.ts';

function read(...args: readonly string[]) {
  const { values, every } = parseFlags(args, fileOptions);
  return readFileOptions(values, every.map).readAs;
}

describe('--map', () => {
  it('may be given several times, each adding pairs', () => {
    const { map } = read('--map', 'timestamp=ts,path=a.b', '--map', 'status=code', '--format', 'ndjson');
    expect(map?.pairs.map(({ target, sources }) => [target, sources[0]?.text])).toEqual([
      ['timestamp', 'ts'],
      ['path', 'a.b'],
      ['status', 'code'],
    ]);
    expect(read().map).toBeUndefined();
  });

  test.each([
    [['--map', 'path=a['], '--map: cannot read the field map "path=a[" at character 8: expected'],
    [['--map', ''], '--map: cannot read the field map: expected target=source'],
    [['--map', 'path=a', '--map', 'path=b'], 'expected another target, "path" has a source already'],
    [
      ['--map', 'path=a', '--format', 'combined'],
      '--map is for ndjson, json, csv: --format combined has fields of its own',
    ],
  ])('%j is a wrong use', (args, message) => {
    expect(() => read(...args)).toThrow(UsageError);
    expect(() => read(...args)).toThrow(message);
  });
});
