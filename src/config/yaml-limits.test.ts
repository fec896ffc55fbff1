import { describe, expect, it } from 'vitest';
import { loadConfig } from './config.ts';
import { ConfigError } from './problem.ts';
import { findExcess } from './yaml-limits.ts';

function problemsOf(text: string): string {
  try {
    loadConfig({ file: 'config.yaml', text });
    return '';
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

describe('a configuration file', () => {
  it.each([
    ['brackets', `server: ${'['.repeat(1_000)}`, 1],
    ['braces', `server: ${'{a: '.repeat(50_000)}`, 1],
    ['dashes on one line', `a:\n${'- '.repeat(50_000)}b`, 2],
    ['question marks', '? '.repeat(50_000), 1],
    ['blocks', Array.from({ length: 300 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), 102],
    ['aliases', `a: &a 1\nb: [${'*a,'.repeat(50_000)}]`, 2],
  ])('refuses too many %s, and names the line', (_, text, line) => {
    expect(problemsOf(text)).toMatch(new RegExp(`^config\\.yaml:${line}: .*(?:nested|indented|aliases)`));
  });

  it('refuses a billion laughs', () => {
    const levels = Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(10)}]`);
    expect(problemsOf(['a0: &a0 ha', ...levels].join('\n'))).toContain('more than 100 aliases');
  });

  it('refuses more than 256 KiB', () => {
    expect(problemsOf(`# ${'x'.repeat(256 * 1024)}`)).toContain('the file is larger than 256KiB');
  });

  it('refuses a NUL in a value, a list item or a key file name', () => {
    expect(problemsOf('storage: {logsDir: "logs\\0/x"}')).toContain('storage.logsDir: contains a NUL character');
    expect(problemsOf('kafka: {sasl: {password: "a\\0b"}}')).toContain('kafka.sasl.password: contains a NUL character');
    expect(problemsOf('auth: {keys: ["a\\0b"]}')).toContain('auth.keys: contains a NUL character');
  });

  it('refuses control characters in the name of a folder', () => {
    expect(problemsOf('storage: {logsDir: "lo\\ngs"}')).toContain('storage.logsDir: expected');
  });
});

describe('findExcess', () => {
  it('takes what people write', () => {
    const text = [
      'a: &base {x: [1, [2]], y: "*no alias"}',
      `${' '.repeat(200)}# an indented comment`,
      'b: *base',
      'list:',
      '  - one',
      '  - long: |',
      `      text ${'- '.repeat(200)}`,
      `key: ${'v'.repeat(500)} - dash`,
    ];
    expect(findExcess(text.join('\n'))).toBeUndefined();
  });

  it('counts lines through scalars of several lines', () => {
    expect(findExcess(`a: |\n  one\n  two\nb: "x\n  y"\nc: ${'['.repeat(30)}`)?.line).toBe(6);
  });
});
