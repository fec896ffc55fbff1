import { createRequire } from 'node:module';
import type * as AjvLibrary from 'ajv';
import type { Format, FormatDefinition, Options, ValidateFunction } from 'ajv';
import type * as Ajv2019Library from 'ajv/dist/2019.js';
import type * as Ajv2020Library from 'ajv/dist/2020.js';
import type * as FormatsLibrary from 'ajv-formats/dist/formats.js';
import type * as Re2Library from 're2js';
import { parseJson } from '../../lines/parse-json.ts';
import type { RegisteredSchema, Schemas } from '../../model/schema.ts';
import { quoteShort, type RecordFault } from '../record.ts';
import { countCharacters, describeFault } from './describe-fault.ts';
import { isObject, type JsonObject } from './json.ts';
import {
  type Draft,
  type PreparedSchema,
  parseSchema,
  prepareSchema,
  ROOT,
  SchemaError,
  STEP,
} from './prepare-schema.ts';

/*
 * The one place that knows ajv. A schema comes from an operator, the records from anybody, so both have limits. prepare-schema.ts limits
 * the schema. A record may cost so many steps as its length allows: a step is a subschema that is applied to a value, some bytes
 * that a pattern reads, some values of a list that are compared, or a member of a list of unique values. Without that, forty nested lines of `allOf` with two `$ref` each
 * would check one value 2^40 times.
 */

/** Steps for a record: these, and more for each byte. At some 10 ns a step. */
const BASE_STEPS = 10_000;
const STEPS_PER_BYTE = 16;
/** A text that is longer has no format: the regular expressions of formats may take a time that grows with its square. */
const MAX_FORMAT_CHARACTERS = 2_048;
const MAX_PATTERN_CHARACTERS = 1_024;
/** Instructions of a compiled pattern. */
const MAX_PATTERN_SIZE = 2_000;
/** Instructions of a pattern times characters of a text, for one step. */
const PATTERN_WORK = 64;

const FORMATS = [
  ...['date', 'time', 'date-time', 'duration', 'uri', 'uri-reference', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid'],
  ...['json-pointer', 'int32', 'int64'],
] as const;

/** FAST PATH. Certainly a date-time, and read in a fifth of the time. A record has at least one. */
const USUAL_INSTANT =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z$/;

const OPTIONS: Options = {
  // JSON Schema ignores keywords and formats that it does not know.
  strict: false,
  strictNumbers: true,
  logger: false,
  // Reasons name the value, and the title of its schema.
  verbose: true,
  // `required: ["constructor"]` asks for a field of the record.
  ownProperties: true,
  // Code for each $ref of its own would grow exponentially.
  inlineRefs: false,
};

export interface CompiledSchema {
  /** The schema as it was registered. */
  readonly root: JsonObject;
  isValid(line: string): boolean;
  /** Why the schema refuses the line; undefined where it accepts it. */
  faultOf(line: string): RecordFault | undefined;
}

/** Throws SchemaError. */
export function compileSchema(
  schema: Pick<RegisteredSchema, 'schema' | 'references'>,
  schemas: Pick<Schemas, 'version'>,
): CompiledSchema {
  // ajv checks the schema itself with the same patterns; prepareSchema has limited it.
  const steps: Steps = { left: Number.POSITIVE_INFINITY };
  const validate = compile(prepareSchema(schema, schemas), steps);
  /** False also where the steps do not suffice. */
  const isValidValue = (value: unknown, bytes: number): boolean | 'too costly' | 'failed' => {
    steps.left = BASE_STEPS + STEPS_PER_BYTE * bytes;
    try {
      return validate(value);
    } catch (error) {
      if (error === OUT_OF_STEPS || error instanceof RangeError) return 'too costly';
      // ajv 8.20 writes code for `unevaluatedProperties` in some alternatives that fails on some records.
      if (error instanceof TypeError) return 'failed';
      throw error;
    }
  };
  // A schema that refers to itself without going into the record never ends.
  if (isValidValue({}, 0) === 'too costly') throw new SchemaError('the schema refers to itself without end');
  return {
    root: parseSchema(schema.schema),
    isValid: (line) => isValidValue(parseJson(line), line.length) === true,
    faultOf(line) {
      const verdict = isValidValue(parseJson(line), line.length);
      if (verdict === true) return undefined;
      if (verdict === 'too costly') return { field: '', problem: 'takes too long to check against its schema' };
      if (verdict === 'failed') {
        return { field: '', problem: 'cannot be checked: the code that ajv made of its schema fails on it' };
      }
      return describeFault(validate.errors ?? []);
    },
  };
}

/** What a record may still cost. */
interface Steps {
  left: number;
}

/** Thrown within compiled code, and not seen outside. */
const OUT_OF_STEPS = new Error('out of steps');

const require = createRequire(import.meta.url);

/** Loads the libraries with the first schema: they take 60 ms and some megabytes in each thread. */
function compile({ root, draft, references }: PreparedSchema, steps: Steps): ValidateFunction {
  const { _ } = require('ajv') as typeof AjvLibrary;
  const options = { ...OPTIONS, code: { regExp: createPatternEngine(steps), optimize: false } };
  const ajv = createAjv(draft, options);
  ajv.addKeyword({
    keyword: STEP,
    schemaType: 'number',
    before: '$ref',
    code({ gen, schemaValue }) {
      const left = gen.scopeValue('obj', { ref: steps });
      const out = gen.scopeValue('obj', { ref: OUT_OF_STEPS });
      gen.if(_`(${left}.left -= ${schemaValue}) < 0`, () => gen.throw(_`${out}`));
    },
  });
  // ajv counts the characters of every text.
  for (const keyword of ['maxLength', 'minLength']) {
    ajv.removeKeyword(keyword);
    ajv.addKeyword({
      keyword,
      type: 'string',
      schemaType: 'number',
      before: 'pattern',
      error: { message: 'has another length', params: ({ schemaCode }) => _`{ limit: ${schemaCode} }` },
      code(context) {
        const { gen, data, schemaValue } = context;
        const isWrong = gen.scopeValue('func', { ref: keyword === 'maxLength' ? isLonger : isShorter });
        context.fail(_`${isWrong}(${data}, ${schemaValue})`);
      },
    });
  }
  // ajv compares each item with each other one.
  ajv.removeKeyword('uniqueItems');
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    errors: false,
    validate: (isAsked: boolean, items: readonly unknown[]) => !isAsked || areUnique(items, steps),
  });
  const { fullFormats } = require('ajv-formats/dist/formats') as typeof FormatsLibrary;
  for (const name of FORMATS) ajv.addFormat(name, limitFormat(fullFormats[name]));
  const isDateTime = ajv.formats['date-time'];
  if (typeof isDateTime === 'function') {
    ajv.addFormat('date-time', (text: string) => USUAL_INSTANT.test(text) || isDateTime(text));
  }
  try {
    for (const [key, reference] of references) ajv.addSchema(reference, key);
    ajv.addSchema(root, ROOT);
    const validate = ajv.getSchema(ROOT);
    if (validate === undefined) throw new Error('ajv has no schema for a key that it was given');
    return validate;
  } catch (error) {
    if (error instanceof SchemaError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    // The keys that it speaks of are ours.
    throw new SchemaError(message.replace(/ from id .*$/, ' of the schema').replaceAll(ROOT, ''), { cause: error });
  }
}

function createAjv(draft: Draft, options: Options): AjvLibrary.Ajv {
  if (draft === '2019-09') return new (require('ajv/dist/2019') as typeof Ajv2019Library).Ajv2019(options);
  if (draft === '2020-12') return new (require('ajv/dist/2020') as typeof Ajv2020Library).Ajv2020(options);
  return new (require('ajv') as typeof AjvLibrary).Ajv(options);
}

/** Patterns take a time that grows with the length of the text and no faster. */
function createPatternEngine(steps: Steps) {
  const { RE2JS } = require('re2js') as typeof Re2Library;
  const engine = (pattern: string) => {
    const compiled = compilePattern(RE2JS, pattern);
    const size = compiled.programSize();
    const test = (text: string): boolean => {
      steps.left -= 1 + (text.length * size) / PATTERN_WORK;
      if (steps.left < 0) throw OUT_OF_STEPS;
      return compiled.test(text);
    };
    // ajv knows a pattern by its toString, and uses another one of the same.
    return { test, toString: () => pattern };
  };
  // It would stand in a module that ajv writes.
  return Object.assign(engine, { code: 'new RegExp' });
}

function compilePattern(RE2JS: typeof Re2Library.RE2JS, pattern: string): Re2Library.RE2JS {
  const what = `pattern ${quoteShort(pattern)}`;
  if (pattern.length > MAX_PATTERN_CHARACTERS)
    throw new SchemaError(`${what} is longer than ${MAX_PATTERN_CHARACTERS}`);
  let compiled: Re2Library.RE2JS;
  try {
    compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
  } catch (error) {
    throw new SchemaError(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (compiled.programSize() > MAX_PATTERN_SIZE) throw new SchemaError(`${what} takes too many instructions`);
  return compiled;
}

/** Whether the text has more characters, as JSON Schema counts them, than `limit`. Each is one unit of UTF-16 or two. */
function isLonger(text: string, limit: number): boolean {
  return text.length > limit && countCharacters(text) > limit;
}

/** Whether it has fewer. */
function isShorter(text: string, limit: number): boolean {
  return text.length < limit * 2 && countCharacters(text) < limit;
}

function areUnique(items: readonly unknown[], steps: Steps): boolean {
  steps.left -= items.length;
  if (steps.left < 0) throw OUT_OF_STEPS;
  return new Set(items.map(canonical)).size === items.length;
}

/** The same text for equal values: the order of an object's members does not count. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) =>
    isObject(part) ? Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)) : part,
  );
}

function limitFormat(format: Format): Format {
  if (typeof format === 'object' && !(format instanceof RegExp)) {
    return isOfTexts(format) ? limitFormat(format.validate) : format;
  }
  if (typeof format !== 'function' && !(format instanceof RegExp)) return format;
  const test = typeof format === 'function' ? format : (text: string) => format.test(text);
  return (text) => text.length <= MAX_FORMAT_CHARACTERS && test(text);
}

function isOfTexts(format: Exclude<Format, true | string | RegExp>): format is FormatDefinition<string> {
  return typeof format === 'object' && format.type !== 'number' && format.async !== true;
}
