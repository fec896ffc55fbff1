import {
  conjunctionsOf,
  dependenciesOf,
  escapePointer,
  fieldsOf,
  follow,
  isAnything,
  itemsOf,
  type Keywords,
  listOf,
  type SchemaDocument,
  toObject,
} from './json-document.ts';
import { compareLimits, compareTypes, isAbout, typesOf } from './json-limits.ts';

/*
 * Compatibility of JSON Schemas: everything that is valid by the writer's schema must be valid by the reader's. docs/registry.md lists
 * the changes. What cannot be proven counts as incompatible: a keyword that these rules do not know in depth must be the same in both,
 * or absent from the reader's.
 */

/** Comparisons of two schemas with all their parts. Alternatives multiply. */
const MAX_STEPS = 50_000;
const MAX_PROBLEMS = 20;

/** Must be the same, or absent from the reader's schema. */
const SAME = [
  ...['pattern', 'format', 'contentEncoding', 'contentMediaType', 'contains', 'uniqueItems', 'propertyNames'],
  ...['if', 'then', 'else', '$dynamicRef', '$recursiveRef'],
];
/** Each with the JSON pointer to the place in the reader's schema. */
export function jsonProblems(reader: SchemaDocument, writer: SchemaDocument): string[] {
  return new Comparison(reader, writer, { isStrict: false }).run(reader.root, writer.root);
}

class TooComplexError extends Error {}

class Comparison {
  readonly #reader: SchemaDocument;
  readonly #writer: SchemaDocument;
  /** Pairs that are being compared or were: a schema may refer to itself. */
  readonly #seen = new Map<unknown, Set<unknown>>();
  readonly #isStrict: boolean;
  #steps = 0;

  /** `isStrict`: without what is allowed although it cannot be proven. */
  constructor(reader: SchemaDocument, writer: SchemaDocument, { isStrict }: { readonly isStrict: boolean }) {
    this.#reader = reader;
    this.#writer = writer;
    this.#isStrict = isStrict;
  }

  run(reader: unknown, writer: unknown): string[] {
    try {
      return [...this.#compare(reader, writer, '')].slice(0, MAX_PROBLEMS);
    } catch (error) {
      // A RangeError: schemas that are nested by references without an end.
      if (error instanceof TooComplexError || error instanceof RangeError)
        return ['the schemas are too complex to compare'];
      throw error;
    }
  }

  *#compare(readerPart: unknown, writerPart: unknown, path: string): Generator<string> {
    if (++this.#steps > MAX_STEPS) throw new TooComplexError();
    const reader = follow(readerPart, this.#reader);
    const writer = follow(writerPart, this.#writer);
    if (reader === undefined || writer === undefined) {
      yield `${path || '/'}: a $ref that cannot be followed`;
      return;
    }
    if (writer.schema === false) return;
    for (const beside of reader.beside) yield* this.#compare(beside, writerPart, path);
    if (isAnything(reader.schema)) return;
    if (reader.schema === false) {
      yield `${path || '/'}: nothing is valid here any more`;
      return;
    }
    if (reader.schema === true) return;
    const known = this.#seen.get(readerPart) ?? new Set();
    if (known.has(writerPart)) return;
    if (typeof readerPart === 'object') this.#seen.set(readerPart, known.add(writerPart));
    const theirs = toObject(writer.schema);
    yield* this.#compareParts(
      reader.schema,
      writer.beside.length === 0 ? theirs : { allOf: [theirs, ...writer.beside] },
      path,
    );
  }

  // The keywords that combine schemas come first.
  *#compareParts(reader: Keywords, writer: Keywords, path: string): Generator<string> {
    for (const name of ['anyOf', 'oneOf']) {
      const branches = listOf(writer[name]);
      if (branches === undefined || this.#isSame(reader[name], branches)) continue;
      // Whatever the writer chose must be valid.
      const { [name]: _, allOf, ...rest } = writer;
      for (const branch of branches)
        yield* this.#compare(reader, { ...rest, allOf: [...(listOf(allOf) ?? []), branch] }, path);
      return;
    }
    if (writer.allOf !== undefined && !this.#isSame(reader.allOf, writer.allOf)) {
      yield* this.#compareWithAll(reader, writer, path);
      return;
    }
    yield* this.#alternatives(reader, writer, path);
    yield* compareTypes(reader, writer, path);
    yield* compareLimits(reader, writer, path);
    yield* this.#compareOthers(reader, writer, path);
    if (typesOf(writer).has('object')) yield* this.#compareObjects(reader, writer, path);
    if (typesOf(writer).has('array')) yield* this.#compareArrays(reader, writer, path);
  }

  /** Each part of the reader's schema must take what all parts of the writer's take. */
  *#compareWithAll(reader: Keywords, { allOf, ...rest }: Keywords, path: string): Generator<string> {
    const parts: Keywords[] = [rest];
    for (const part of listOf(allOf) ?? []) {
      const found = follow(part, this.#writer);
      if (found?.schema === false) return;
      if (found !== undefined) parts.push(toObject(found.schema), ...found.beside);
    }
    const candidates = conjunctionsOf(parts);
    const [only, ...others] = candidates;
    if (others.length === 0) {
      yield* this.#compare(reader, only, path);
      return;
    }
    const { allOf: all, anyOf, oneOf, ...plain } = reader;
    const wanted = [...(listOf(all) ?? []), ...(anyOf ? [{ anyOf }] : []), ...(oneOf ? [{ oneOf }] : []), plain];
    const isTaken = (part: unknown) => candidates.some((one) => !this.#hasProblem(part, one, path));
    if (!wanted.every(isTaken)) yield `${path || '/'}: allOf changed`;
  }

  *#alternatives(reader: Keywords, writer: Keywords, path: string): Generator<string> {
    for (const part of this.#isSame(reader.allOf, writer.allOf) ? [] : (listOf(reader.allOf) ?? [])) {
      yield* this.#compare(part, writer, `${path}/allOf`);
    }
    for (const name of ['anyOf', 'oneOf']) {
      const branches = listOf(reader[name]);
      if (branches === undefined || this.#isSame(branches, writer[name])) continue;
      const takers = branches.filter((branch) => !this.#hasProblem(branch, writer, path));
      if (takers.length === 0) yield `${path}/${name}: none of it takes all that was valid`;
      else if (name === 'oneOf' && (takers.length > 1 || (this.#isStrict && branches.length > 1)))
        yield `${path}/${name}: more than one of it takes what was valid`;
    }
  }

  /** On its own memory of pairs: what is assumed in an alternative that fails holds nowhere else. */
  #hasProblem(reader: unknown, writer: unknown, path: string): boolean {
    const before = new Map([...this.#seen].map(([key, known]) => [key, new Set(known)]));
    const { done } = this.#compare(reader, writer, path).next();
    if (done !== true) {
      this.#seen.clear();
      for (const [key, known] of before) this.#seen.set(key, known);
    }
    return done !== true;
  }

  /** The same text, where the schemas that it refers to are the same too. */
  #isSame(ours: unknown, theirs: unknown, refs: ReadonlySet<string> = new Set()): boolean {
    if (++this.#steps > MAX_STEPS) throw new TooComplexError();
    if (typeof ours !== 'object' || ours === null || typeof theirs !== 'object' || theirs === null) {
      return ours === theirs;
    }
    const keys = Object.keys(ours);
    if (Array.isArray(ours) !== Array.isArray(theirs) || keys.length !== Object.keys(theirs).length) return false;
    for (const key of keys) {
      if (!Object.hasOwn(theirs, key)) return false;
      if (!this.#isSame(Reflect.get(ours, key), Reflect.get(theirs, key), refs)) return false;
    }
    const ref: unknown = Reflect.get(ours, '$ref');
    if (typeof ref !== 'string' || refs.has(ref)) return true;
    return this.#isSame(follow(ours, this.#reader), follow(theirs, this.#writer), new Set([...refs, ref]));
  }

  *#compareOthers(reader: Keywords, writer: Keywords, path: string): Generator<string> {
    for (const name of SAME.filter(isAbout(writer))) {
      const isNeutral = reader[name] === undefined || (name === 'uniqueItems' && reader[name] === false);
      if (!isNeutral && !this.#isSame(reader[name], writer[name])) yield `${path}/${name}: it was added or changed`;
    }
    // It depends on all that stands beside it.
    for (const name of ['unevaluatedItems', 'unevaluatedProperties']) {
      const isNeutral = reader[name] === undefined || isAnything(reader[name] === true || toObject(reader[name]));
      if ((reader[name] === false || !isNeutral) && !this.#isSame(reader, writer))
        yield `${path}/${name}: it stands in a schema that changed`;
    }
    if (reader.not !== undefined && reader.not !== false && !this.#isSame(reader.not, writer.not)) {
      const isNarrower =
        writer.not !== undefined &&
        new Comparison(this.#writer, this.#reader, { isStrict: true }).run(writer.not, reader.not).length === 0;
      if (!isNarrower) yield `${path}/not: it was added or refuses more`;
    }
  }

  *#compareObjects(reader: Keywords, writer: Keywords, path: string): Generator<string> {
    const [ours, theirs] = [fieldsOf(reader), fieldsOf(writer)];
    const given = new Set(listOf(writer.required));
    for (const name of listOf(reader.required) ?? []) {
      const hasDefault = toObject(ours.named.get(String(name))).default !== undefined && !this.#isStrict;
      if (!given.has(name) && !hasDefault) yield `${path}/required: ${JSON.stringify(name)} is now required`;
    }
    for (const name of new Set([...ours.named.keys(), ...theirs.named.keys()])) {
      const at = `${path}/properties/${escapePointer(name)}`;
      yield* this.#compareField(ours.all(name), theirs.sure(name), at);
    }
    for (const [pattern, schema] of ours.patterns) {
      const same = theirs.patterns.get(pattern);
      const before = same === undefined ? [...theirs.patterns.values(), theirs.rest] : [same];
      for (const one of before)
        yield* this.#compare(schema, one, `${path}/patternProperties/${escapePointer(pattern)}`);
    }
    for (const [pattern, schema] of theirs.patterns) {
      if (!ours.patterns.has(pattern)) yield* this.#compare(ours.rest, schema, `${path}/additionalProperties`);
    }
    yield* this.#compare(ours.rest, theirs.rest, `${path}/additionalProperties`);
    yield* this.#compareDependencies(reader, writer, path);
  }

  /** Each of ours must take what all of theirs take. `theirs` has lists of which one holds. */
  *#compareField(ours: readonly unknown[], theirs: readonly (readonly unknown[])[], path: string): Generator<string> {
    for (const our of ours) {
      const [first = [true]] = theirs;
      const isTaken = (choice: readonly unknown[]) => choice.every((their) => !this.#hasProblem(our, their, path));
      if (theirs.length > 1 && theirs.some(isTaken)) continue;
      for (const their of first) yield* this.#compare(our, their, path);
    }
  }

  *#compareDependencies(reader: Keywords, writer: Keywords, path: string): Generator<string> {
    const theirs = dependenciesOf(writer);
    for (const [name, part] of dependenciesOf(reader)) {
      const at = `${path}/dependencies/${escapePointer(name)}`;
      const known = theirs.filter(([other]) => other === name).map(([, their]) => their);
      const given = new Set([...known, writer.required].flatMap((list) => listOf(list) ?? []));
      const names = listOf(part);
      if (names === undefined)
        yield* this.#compareField(
          [part],
          known.filter((one) => !listOf(one)).map((one) => [one]),
          at,
        );
      else if (!names.every((one) => given.has(one))) yield `${at}: it asks for more`;
    }
  }

  *#compareArrays(reader: Keywords, writer: Keywords, path: string): Generator<string> {
    const [ours, theirs] = [itemsOf(reader), itemsOf(writer)];
    const length = Math.max(ours.first.length, theirs.first.length);
    for (let at = 0; at < length; at++) {
      yield* this.#compare(ours.first[at] ?? ours.rest, theirs.first[at] ?? theirs.rest, `${path}/items/${at}`);
    }
    yield* this.#compare(ours.rest, theirs.rest, `${path}/items`);
  }
}
