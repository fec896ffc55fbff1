/** The next quote at or after `from` that no backslash escapes; -1: none. `start`: of the field. A field is read once, however many it has. */
export function nextQuote(text: string, from: number, start: number): number {
  let quote = text.indexOf('"', from);
  while (quote !== -1 && isEscaped(text, quote, Math.max(start, from))) quote = text.indexOf('"', quote + 1);
  return quote;
}

function isEscaped(text: string, at: number, start: number): boolean {
  let first = at;
  while (first > start && text[first - 1] === '\\') first--;
  return (at - first) % 2 === 1;
}
