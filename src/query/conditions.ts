import { LEVELS, type Level, toLevel } from '../model/level.ts';

const ORDERS = ['<', '<=', '>', '>='] as const;
type Order = (typeof ORDERS)[number];

/** What a record must hold of one field to be found. */
export type Condition =
  /** A string is compared by its text, any other value by its JSON as it is stored. Of a record without the field `!=` holds. */
  | { readonly kind: 'equal'; readonly field: string; readonly value: string }
  | { readonly kind: 'unequal'; readonly field: string; readonly value: string }
  | { readonly kind: 'absent'; readonly field: string }
  /** By severity (model/level.ts). A record whose field is no level is not found. */
  | { readonly kind: 'level'; readonly field: string; readonly order: Order; readonly than: Level }
  | { readonly kind: 'number'; readonly field: string; readonly order: Order; readonly than: number };

export const MAX_CONDITIONS = 32;
export const MAX_FIELD_CHARACTERS = 256;
const MAX_VALUE_CHARACTERS = 4_096;
/** Of a name with dots: each may be the border of a nested object. */
export const MAX_NESTING = 8;

const FORM = /^([^=<>!]+)(!=|<=|>=|=|<|>)(.*)$/s;

export const CONDITION_RULE = 'must be field=value, field!=value, !field, or field>=value with a level or a number';

/** Reads `field=value` and the other forms of CONDITION_RULE. Gives the rule that the text breaks, as text. */
export function parseCondition(text: string): Condition | string {
  if (text.startsWith('!')) {
    const field = text.slice(1);
    if (/[=<>!]/.test(field)) return `${CONDITION_RULE} (not equal is written field!=value)`;
    return fieldFault(field) ?? { kind: 'absent', field };
  }
  const [, field, operator, value] = FORM.exec(text) ?? [];
  if (field === undefined || operator === undefined || value === undefined) return CONDITION_RULE;
  const fault = fieldFault(field);
  if (fault !== undefined) return fault;
  if (value.length > MAX_VALUE_CHARACTERS) return `must have a value of at most ${MAX_VALUE_CHARACTERS} characters`;
  if (operator === '=') return { kind: 'equal', field, value };
  if (operator === '!=') return { kind: 'unequal', field, value };
  return parseComparison(field, operator, value);
}

function parseComparison(field: string, operator: string, value: string): Condition | string {
  const order = ORDERS.find((one) => one === operator);
  if (order === undefined) return CONDITION_RULE;
  const number = toNumber(value);
  if (number !== undefined) return { kind: 'number', field, order, than: number };
  const level = toLevel(value);
  if (level !== undefined) return { kind: 'level', field, order, than: level };
  return `must compare with a level (${LEVELS.join(', ')}) or a number, not with ${JSON.stringify(value)}`;
}

/** What is wrong with the name of a field, or undefined. */
export function fieldFault(field: string): string | undefined {
  if (field === '') return 'must name a field';
  if (field.length > MAX_FIELD_CHARACTERS) return `must name a field of at most ${MAX_FIELD_CHARACTERS} characters`;
  if (field.split('.').length > MAX_NESTING) return `must name a field of at most ${MAX_NESTING} parts between dots`;
  return undefined;
}

/** The number that a text is; undefined where it is none. */
export function toNumber(text: string): number | undefined {
  const number = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(number) ? number : undefined;
}

/** Whether a value stands in that order to another: both are numbers. */
export function isInOrder(order: Order, value: number, than: number): boolean {
  if (order === '<') return value < than;
  if (order === '<=') return value <= than;
  return order === '>' ? value > than : value >= than;
}
