/**
 * How a formula begins for a spreadsheet: with one of these characters, also in full width or small form, after white space,
 * control and invisible characters, which it strips. A lone `-` is no formula: servers log it for a missing user agent. A tab or a
 * line break at the start moves to another cell.
 */
const FORMULA =
  /^(?:[\t\r\n]|[\s\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]*(?:[=+@\uff1d\uff0b\uff20\ufe62\ufe66\ufe6b]|[-\uff0d\ufe63].))/su;

/** A cell of a table by RFC 4180. One that a spreadsheet would run as a formula gets an apostrophe in front: clients choose the values. */
export function csvCell(value: string): string {
  return plainCell(FORMULA.test(value) ? `'${value}` : value);
}

/** The same for a value that nobody takes for a formula: a number such as -5 stays one. */
export function plainCell(value: string): string {
  return /[",\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
