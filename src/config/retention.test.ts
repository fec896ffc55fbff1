import { describe, expect, test } from 'vitest';
import { describeConfig, loadConfig } from './config.ts';
import { ConfigError } from './problem.ts';

function load(text: string, env: Readonly<Record<string, string>> = {}) {
  return loadConfig({ file: 'c.yaml', text, env });
}

function problemsIn(text: string): readonly string[] {
  try {
    load(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
}

const HOUR_MS = 3_600_000;

describe('retention in the configuration', () => {
  test('is off by default: nothing is ever removed', () => {
    const { retention, storage } = load('').config;
    expect(retention).toEqual({
      maxAge: 'off',
      maxBytes: 'off',
      force: false,
      summaries: 'keep',
      interval: 60_000,
      dlqMaxAge: 'off',
      streams: [],
    });
    expect(storage.minFreeBytes).toBe('off');
  });

  test('has limits for all streams, and for single ones, the built-in ones too', () => {
    const text = `streams: [{name: orders}]
storage: {minFreeBytes: 1GiB}
retention:
  maxAge: 720h
  streams:
    - {name: access, maxAge: off, maxBytes: 1GiB}
    - {name: orders, maxAge: 24h}
`;
    const { retention, storage } = load(text, { LOGFORGE_RETENTION_MAX_BYTES: '2GiB' }).config;
    expect(retention).toMatchObject({ maxAge: 720 * HOUR_MS, maxBytes: 2 * 1024 ** 3 });
    expect(retention.streams).toEqual([
      { name: 'access', maxAge: 'off', maxBytes: 1024 ** 3 },
      { name: 'orders', maxAge: 24 * HOUR_MS, maxBytes: 'inherit' },
    ]);
    expect(storage.minFreeBytes).toBe(1024 ** 3);
  });

  test('is shown as it would be written', () => {
    const rows = describeConfig(load('retention: {maxAge: 48h, streams: [{name: events, maxBytes: 1MiB}]}'));
    const shown = Object.fromEntries(rows.map(({ key, value }) => [key, value]));
    expect(shown).toMatchObject({
      'retention.maxAge': '48h',
      'retention.maxBytes': 'off',
      'retention.streams[0].name': 'events',
      'retention.streams[0].maxAge': 'inherit',
      'retention.streams[0].maxBytes': '1MiB',
    });
  });

  test.each([
    ['retention: {maxAge: 30m}', 'retention.maxAge: expected off, or a duration from 1h to 876000h'],
    ['retention: {maxAge: inherit}', 'retention.maxAge: expected off, or a duration from 1h to 876000h'],
    ['retention: {maxBytes: 5}', 'retention.maxBytes: expected off, or a size from 1MiB to 1048576GiB'],
    ['storage: {minFreeBytes: 10%}', 'storage.minFreeBytes: expected off, or a size from 1MiB to 1048576GiB'],
    ['retention: {summaries: drop}', 'retention.summaries: expected one of keep, remove'],
    ['retention: {dlqMaxAge: 1h}', 'retention.dlqMaxAge: expected off, or a duration from 24h to 876000h'],
    ['retention: {streams: [{name: orders}]}', 'retention.streams[0].name: there is no stream orders'],
    ['retention: {streams: [{maxAge: 1h}]}', 'retention.streams[0].name: a name is missing'],
    [
      'retention: {streams: [{name: events}, {name: events}]}',
      'retention.streams[1].name: stands twice in the list: events',
    ],
  ])('%s is a problem', (text, problem) => {
    expect(problemsIn(text)).toEqual([expect.stringContaining(problem)]);
  });
});
