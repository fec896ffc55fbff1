import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { joinRow, splitRow } from './csv-row.ts';

it('gives back the values that a row was made of', () => {
  const value = fc.string({ unit: fc.constantFrom('a', ' ', '"', ',', '\n', '\r', 'é') });
  fc.assert(
    fc.property(fc.array(value, { minLength: 2, maxLength: 5 }), (values) => {
      const row = joinRow(values);
      expect(splitRow(Buffer.from(row))).toEqual(values);
      expect(parse(row, { record_delimiter: '\u0000' })).toEqual([values]);
    }),
  );
});

it('says why bytes are no row', () => {
  const reason = (row: string) => splitRow(Buffer.from(row));
  expect(reason('a,b "c"')).toEqual({ reason: 'not CSV: a quote inside an unquoted value' });
  expect(reason('"a" b,c')).toEqual({ reason: 'not CSV: text after a closing quote' });
  expect(reason('a,"b')).toEqual({ reason: 'not CSV: a quote is not closed' });
});
