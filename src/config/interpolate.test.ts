// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the configuration has a ${VAR} syntax of its own.
import { expect, test } from 'vitest';
import { interpolate } from './interpolate.ts';

const env = { HOST: 'broker', PORT: '9092', EMPTY: '', TRICK: 'a: {b: ${HOST}}' };

test.each([
  ['plain', 'plain'],
  ['$HOST', '$HOST'],
  ['${HOST}', 'broker'],
  ['${HOST}:${PORT}', 'broker:9092'],
  ['x${UNSET:-fallback}y', 'xfallbacky'],
  ['${EMPTY:-fallback}', 'fallback'],
  ['${UNSET:-}', ''],
  ['${UNSET:-a:?b:-c}', 'a:?b:-c'],
  ['${HOST:?must be set}', 'broker'],
  ['${EMPTY}', ''],
  ['$${HOST}', '${HOST}'],
  ['$$${HOST}', '$${HOST}'],
])('%s becomes %s', (text, expected) => {
  const result = interpolate(text, env);
  expect(result.text).toBe(expected);
  expect(result.problems).toEqual([]);
  expect(result.unset).toEqual([]);
});

test('does not look again at what a variable holds', () => {
  expect(interpolate('${TRICK}', env).text).toBe(env.TRICK);
});

test('says which variables were not set', () => {
  expect(interpolate('${NO_ONE}-${HOST}-${NO_TWO}', env)).toEqual({
    text: '-broker-',
    changed: true,
    unset: ['NO_ONE', 'NO_TWO'],
    problems: [],
  });
});

test('repeats the message of a variable that must be set, also when it is empty', () => {
  expect(interpolate('${PASSWORD:?give the password}', env).problems).toEqual([
    'PASSWORD is not set: give the password',
  ]);
  expect(interpolate('${EMPTY:?}', env).problems).toEqual(['EMPTY is not set']);
});

test.each(['${}', '${HOST', '${1A}', '${HOST:+x}', '${HOST:}', '${A B}'])('complains of %s', (text) => {
  expect(interpolate(text, env).problems).toHaveLength(1);
});
