import { createRequire } from 'node:module';
import type * as Ajv2020Library from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { createRandom, type Random } from '../../../test/support/random.ts';
import { jsonProblems } from './json-rules.ts';

const { Ajv2020 } = createRequire(import.meta.url)('ajv/dist/2020') as typeof Ajv2020Library;

type Json = Record<string, unknown>;
type Draw = (random: Random, depth: number) => unknown;

const SEED = Number(process.env.SEED ?? 1);
const PAIRS = Number(process.env.PAIRS ?? 3_000);
const NAMES = ['a', 'b', 'xa', 'xy'];
const some = <T>(random: Random, list: readonly T[]): T[] => list.filter(() => random.int(0, 1) === 0);

const SCALARS = [null, true, 0, 1, 2, 3, 0.5, '', 'a', 'ab', 'abc'];
/** Without an empty list: after `prefixItems`, ajv 8.20 finds in it what `contains` asks for. */
const VALUES: readonly unknown[] = [
  ...SCALARS,
  ...[...SCALARS.slice(2, 9).map((one) => [one]), [1, 'a'], ['a', 1], [1, 1], ['a', 'b', 2], [[1]], [{ a: 1 }]],
  ...[{}, ...NAMES.flatMap((name) => [...SCALARS.slice(2, 10), [1], { a: 1 }].map((one) => ({ [name]: one })))],
  ...[
    { a: 1, b: 'a' },
    { a: 'a', b: 1 },
    { a: 1, xa: 'a' },
    { xa: 1, xy: 1 },
    { a: 1, b: 1, xa: 1, xy: 'a' },
  ],
];

const limit: Draw = (random) => random.int(0, 3);
const nested: Draw = (random, depth) => schemaOf(random, depth - 1);
const list: Draw = (random, depth) => Array.from({ length: 1 + random.int(0, 1) }, () => nested(random, depth));
const named =
  (names: readonly string[]): Draw =>
  (random, depth) =>
    Object.fromEntries(some(random, names).map((name) => [name, nested(random, depth)]));

/** Without `default`, and without forms of a `oneOf` that overlap: these are allowed although nothing proves them. */
const KEYWORDS: Readonly<Record<string, Draw>> = {
  type: (random) => random.pick(['integer', 'number', 'string', 'object', 'array', ['string', 'null'], 'object']),
  enum: (random) => some(random, [1, 'a', null, { a: 1 }, [1]]).concat(['ab']),
  ...Object.fromEntries(['minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum'].map((name) => [name, limit])),
  ...Object.fromEntries(
    ['minLength', 'maxLength', 'minItems', 'maxItems', 'maxProperties'].map((name) => [name, limit]),
  ),
  ...Object.fromEntries(['minContains', 'maxContains', 'minProperties'].map((name) => [name, limit])),
  multipleOf: (random) => random.pick([1, 2, 0.5]),
  pattern: (random) => random.pick(['a', '^ab']),
  uniqueItems: (random) => random.int(0, 1) === 0,
  properties: named(NAMES),
  patternProperties: named(['^x', 'y$']),
  required: (random) => some(random, NAMES),
  dependentRequired: (random) => Object.fromEntries(some(random, NAMES).map((name) => [name, some(random, NAMES)])),
  dependentSchemas: named(['a', 'b']),
  prefixItems: list,
  anyOf: list,
  allOf: list,
  oneOf: () => [{ type: 'string' }, { type: 'object', required: ['a'] }],
  ...Object.fromEntries(
    ['additionalProperties', 'propertyNames', 'items', 'contains', 'not'].map((name) => [name, nested]),
  ),
  ...Object.fromEntries(['if', 'then', 'else', 'unevaluatedProperties'].map((name) => [name, nested])),
  unevaluatedItems: nested,
  $ref: (random) => `#/$defs/${random.pick(['s', 't'])}`,
};

function schemaOf(random: Random, depth: number): unknown {
  if (depth === 0) return random.pick([true, false, { type: 'string' }, { type: 'number' }, { minimum: 2 }]);
  const names = Object.keys(KEYWORDS);
  const keywords = Array.from({ length: 1 + random.int(0, 2) }, () => random.pick(names));
  return Object.fromEntries(keywords.map((name) => [name, KEYWORDS[name]?.(random, depth)]));
}

/** Refers to no other: without an end it would have no meaning. */
function definitionOf(random: Random): unknown {
  const { $ref: _, ...others } = schemaOf(random, 1) as Json;
  return others;
}

/** The same, with one keyword more, fewer, or another one, somewhere. */
function changed(schema: unknown, random: Random, depth: number): unknown {
  if (Array.isArray(schema) && schema.length > 0) {
    const at = random.int(0, schema.length - 1);
    return schema.map((one, i) => (i === at ? changed(one, random, depth) : one));
  }
  if (typeof schema !== 'object' || schema === null) return schema;
  const result: Json = { ...schema };
  const names = Object.keys(result).filter((name) => name !== 'oneOf');
  const name = names.length === 0 ? undefined : random.pick(names);
  const way = random.int(0, 3);
  if (way === 0 || name === undefined) {
    const added = random.pick(Object.keys(KEYWORDS));
    result[added] = KEYWORDS[added]?.(random, Math.max(1, depth));
  } else if (way === 1) delete result[name];
  else if (way === 2)
    result[name] = KEYWORDS[name]?.(random, Math.max(1, depth)) ?? changed(result[name], random, depth);
  else result[name] = changed(result[name], random, depth - 1);
  return result;
}

const ajv = new Ajv2020({ strict: false, logger: false, validateSchema: false });

/** The verdict is undefined where code that ajv 8.20 has made for `unevaluatedProperties` fails. */
function compile(schema: unknown): ((value: unknown) => boolean | undefined) | undefined {
  try {
    const validate = ajv.compile(schema as Json);
    return (value) => {
      try {
        return validate(value);
      } catch {
        return undefined;
      }
    };
  } catch {
    return undefined;
  }
}

describe('a schema that may follow another one', () => {
  it(`takes all that was valid (seed ${SEED})`, () => {
    const random = createRandom(SEED);
    let followed = 0;
    for (let i = 0; i < PAIRS; i++) {
      const $defs = { s: definitionOf(random), t: definitionOf(random) };
      const writer = { ...(schemaOf(random, 3) as Json), $defs };
      const once = changed(writer, random, 3);
      const reader = random.chance(0.5) ? once : changed(once, random, 3);
      const documentOf = (root: unknown) => ({ root, references: new Map() });
      if (jsonProblems(documentOf(reader), documentOf(writer)).length > 0) continue;
      const [isValid, wasValid] = [compile(reader), compile(writer)];
      if (isValid === undefined || wasValid === undefined) continue;
      followed++;
      const lost = VALUES.find((value) => wasValid(value) === true && isValid(value) === false);
      if (lost !== undefined) expect.fail(JSON.stringify({ lost, reader, writer }));
    }
    expect(followed).toBeGreaterThan(PAIRS / 10);
  });
});
