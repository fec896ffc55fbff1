// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the configuration has a ${VAR} syntax of its own.
import { describe, expect, test } from 'vitest';
import { describeConfig, loadConfig } from './config.ts';
import { ConfigError } from './problem.ts';

const ENV = { NAME: 'service' };

function inputOf(keys: string) {
  return loadConfig({ text: `inputs:\n  - {name: in, ${keys}}\n`, env: ENV }).config.inputs[0];
}

function problemsIn(keys: string): readonly string[] {
  try {
    inputOf(keys);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
}

describe('fields of an input', () => {
  test('have names and defaults', () => {
    const keys = 'rename: {source: "${NAME}", a: level}, defaults: {service: web, level: "7"}';
    expect(inputOf(keys)).toMatchObject({
      rename: { source: 'service', a: 'level' },
      defaults: { service: 'web', level: '7' },
    });
    const rows = describeConfig(loadConfig({ text: `inputs:\n  - {name: in, ${keys}}\n`, env: ENV }));
    expect(rows.find(({ key }) => key === 'inputs[0].rename')?.value).toBe('{"source":"service","a":"level"}');
  });

  test.each([
    ['rename: [a]', 'inputs[0].rename: expected names by name, such as {source: service}, got a list'],
    ['rename: {source: 7}', 'inputs[0].rename: expected names by name, such as {source: service}, got a section'],
    ['rename: {source: {a: b}}', 'inputs[0].rename: expected names by name, such as {source: service}, got a section'],
    ['defaults: web', 'inputs[0].defaults: expected texts by name, such as {service: web}, got "web"'],
    [
      'defaults: {host: web}',
      'inputs[0].defaults: stream events has no required field host; it has timestamp, level, message, service',
    ],
    [
      'format: combined',
      'inputs[0].format: combined has no field level; give stream events defaults of level, message, service, or rename others',
    ],
    [
      'format: syslog, stream: access',
      'inputs[0].format: syslog has no field path; give stream access defaults of path, userAgent, or rename others',
    ],
  ])('%s is a problem', (keys, problem) => {
    expect(problemsIn(keys)).toEqual([`configuration:2: ${problem}`]);
  });

  test.each([
    'format: combined, stream: access',
    'format: syslog',
    'format: auto, stream: access',
    'format: syslog, stream: access, defaults: {userAgent: syslog}, rename: {message: path}',
  ])('%s is taken', (keys) => expect(problemsIn(keys)).toEqual([]));
});

describe('the zone of an input', () => {
  test.each([
    ['arrival', 'arrival'],
    ['Z', 0],
    ['"+02:00"', 120],
    ['"-09:30"', -570],
    ['"+14:00"', 840],
  ])('%s is %s', (text, zone) => expect(inputOf(`zone: ${text}`)?.zone).toBe(zone));

  test.each(['"+2"', '"+14:01"', '"-12:15"', '"+02:60"', 'Europe/Berlin'])('%s is refused', (text) => {
    expect(problemsIn(`zone: ${text}`)[0]).toContain('expected "arrival", "Z" or an offset such as "+02:00"');
  });

  test('is shown as it is written', () => {
    const rows = describeConfig(loadConfig({ text: 'inputs:\n  - {name: in, zone: "-09:30"}\n' }));
    expect(rows.find(({ key }) => key === 'inputs[0].zone')?.value).toBe('-09:30');
  });
});
