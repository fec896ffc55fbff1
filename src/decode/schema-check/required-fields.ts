// FAST PATH. Checks the required fields of a record in stored form where the scanner of its layout found them, for schemas that ask for
// nothing else. Such a field is there, is a text and is not empty, so that little is left to ask. What it does not accept, field-scan.ts
// reads.

import type { Layout } from '../../lines/layout.ts';
import { LEVELS } from '../../model/level.ts';
import { type FieldRule, FieldType } from './field-rules.ts';
import { isOneOf, MOST_BYTES_OF_CHARACTER, type Text, toText } from './field-scan.ts';

/** See RecordCheck.acceptsFields. */
export type FieldsTest = (bytes: Buffer, view: DataView, start: number, fieldEnds: Int32Array) => boolean;

/** What is asked of one field. */
interface Ask {
  /** Its place in the layout. */
  readonly field: number;
  /** Bytes from the end of the field before it. */
  readonly lead: number;
  readonly leastBytes: number;
  readonly mostBytes: number;
  readonly allowed: readonly Text[] | undefined;
}

/** Undefined where the rules ask for more than texts of required fields. */
export function createFieldsTest(rules: readonly FieldRule[], layout: Layout): FieldsTest | undefined {
  const asks: Ask[] = [];
  for (const rule of rules) {
    const ask = toAsk(rule, layout);
    if (ask === undefined) return undefined;
    if (ask.leastBytes > 1 || ask.mostBytes < Number.POSITIVE_INFINITY || ask.allowed !== undefined) asks.push(ask);
  }
  return (bytes, view, start, fieldEnds) => {
    for (let i = 0; i < asks.length; i++) {
      const { field, lead, leastBytes, mostBytes, allowed } = asks[i] as Ask;
      const from = (field === 0 ? start : (fieldEnds[field - 1] as number)) + lead;
      const to = fieldEnds[field] as number;
      if (to - from < leastBytes || to - from > mostBytes) return false;
      if (allowed !== undefined && !isOneOf(allowed, bytes, view, from, to)) return false;
    }
    return true;
  };
}

function toAsk(rule: FieldRule, { fields, leads, levelAt }: Layout): Ask | undefined {
  const field = fields.indexOf(rule.name);
  const lead = leads[field]?.length;
  if (lead === undefined || (rule.types & FieldType.string) === 0) return undefined;
  const values = field === levelAt && LEVELS.every((level) => rule.values?.includes(level)) ? undefined : rule.values;
  return {
    field,
    lead,
    leastBytes: rule.minLength <= 1 ? 1 : rule.minLength * MOST_BYTES_OF_CHARACTER,
    mostBytes: rule.maxLength,
    // A text with an escape stands otherwise in the line, and may stand there as the escape of another text.
    allowed: values?.filter((text) => JSON.stringify(text) === `"${text}"`).map(toText),
  };
}
