/**
 * The values of an object's members as they are written, by their names; of a name that stands again the last one, as JSON.parse has it. The
 * text must be one that JSON.parse reads as an object.
 */
export function memberTokens(text: string): ReadonlyMap<string, string> {
  const tokens = new Map<string, string>();
  let at = text.indexOf('{') + 1;
  for (;;) {
    const name = text.indexOf('"', at);
    if (name < 0) return tokens;
    const nameEnd = endOfString(text, name);
    const value = text.indexOf(':', nameEnd) + 1;
    const end = endOfValue(text, value);
    tokens.set(JSON.parse(text.slice(name, nameEnd)) as string, text.slice(value, end).trim());
    if (text[end] !== ',') return tokens;
    at = end + 1;
  }
}

/** The index after the closing quote of the string that opens at `at`. */
function endOfString(text: string, at: number): number {
  let i = at + 1;
  while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i + 1;
}

/** The index of the comma or brace after the value at `at`. */
function endOfValue(text: string, at: number): number {
  let depth = 0;
  for (let i = at; ; i++) {
    const character = text[i];
    if (character === '"') i = endOfString(text, i) - 1;
    else if (character === '{' || character === '[') depth++;
    else if (depth > 0 && (character === '}' || character === ']')) depth--;
    else if (depth === 0 && (character === ',' || character === '}')) return i;
  }
}
