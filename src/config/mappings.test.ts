import { describe, expect, test } from 'vitest';
import { loadConfig } from './config.ts';
import { ConfigError } from './problem.ts';

function problemsIn(text: string): readonly string[] {
  try {
    loadConfig({ text });
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
}

describe('mappings', () => {
  test('have the sources of fields, as text', () => {
    const text =
      "mappings:\n  - name: caddy\n    fields: {timestamp: ts, path: request.uri, userAgent: 'request.headers.User-Agent[0]'}\n";
    expect(loadConfig({ text }).config.mappings).toEqual([
      {
        name: 'caddy',
        fields: { timestamp: 'ts', path: 'request.uri', userAgent: 'request.headers.User-Agent[0]' },
      },
    ]);
  });

  test.each([
    [
      '[{name: a, fields: {path: x}}, {name: b, fields: {path: x}}, {name: c, fields: {path: "request.[x"}}]',
      'mappings[2].fields: cannot read the source of "path" "request.[x" at character 9: expected the name of a member, found "["',
    ],
    [
      '[{name: a, fields: {path: "x,y"}}]',
      'mappings[0].fields: cannot read the source of "path" "x,y" at character 2: expected the end, found ","',
    ],
    ['[{name: a, fields: {}}]', 'mappings[0].fields: names no field'],
    ['[{name: a, fields: {path: x}}, {name: a, fields: {path: x}}]', 'mappings[1].name: there is a mapping a already'],
  ])('%s is a problem', (mappings, problem) => {
    expect(problemsIn(`mappings: ${mappings}\n`)).toEqual([`configuration:1: ${problem}`]);
  });

  test('are named by inputs of type file', () => {
    const input = (map: string) =>
      `mappings: [{name: caddy, fields: {path: uri}}]\ninputs: [{name: f, type: file, stream: access, format: auto, paths: [/a], map: ${map}}]\n`;
    expect(problemsIn(input('caddy'))).toEqual([]);
    expect(problemsIn(input('nginx'))).toEqual(['configuration:2: inputs[0].map: there is no mapping nginx']);
    expect(problemsIn(input('caddy').replace('auto', 'combined'))).toEqual([
      'configuration:2: inputs[0].map: format combined has fields of its own; a mapping is for auto, json, csv',
    ]);
  });
});
