/**
 * JSON.parse as it should be. V8 14.6 (Node.js 26.10) compares a name with an escape as it is written: after an object with the name `p\u0`,
 * of four characters, it takes the name that is written `"p\u0061th"` for that one. So what a text means would depend on the texts that came
 * before it, and a schema would not see a field that it forbids. Such names are read one by one.
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return hasEscapedName(text) ? new Reader(text).value() : value;
}

/** Whether a name in valid JSON has an escape. */
function hasEscapedName(text: string): boolean {
  for (let at = text.indexOf('\\'); at !== -1; at = text.indexOf('\\', at)) {
    // The rest of the text with the escape. An escaped quote does not end it.
    while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
    if (text[skipWhite(text, at + 1)] === ':') return true;
  }
  return false;
}

/** Reads valid JSON. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(): unknown {
    this.#at = skipWhite(this.#text, this.#at);
    const open = this.#text[this.#at];
    if (open === '{') return Object.fromEntries(this.#members('}', () => [this.#name(), this.value()] as const));
    if (open === '[') return [...this.#members(']', () => this.value())];
    const start = this.#at;
    this.#at = open === '"' ? endOfString(this.#text, start) : endOfToken(this.#text, start);
    return JSON.parse(this.#text.slice(start, this.#at));
  }

  *#members<T>(close: string, read: () => T): Generator<T> {
    this.#at = skipWhite(this.#text, this.#at + 1);
    while (this.#text[this.#at] !== close) {
      yield read();
      this.#at = skipWhite(this.#text, this.#at);
      if (this.#text[this.#at] === ',') this.#at = skipWhite(this.#text, this.#at + 1);
    }
    this.#at++;
  }

  #name(): string {
    const start = this.#at;
    this.#at = endOfString(this.#text, start);
    const name = String(JSON.parse(this.#text.slice(start, this.#at)));
    this.#at = this.#text.indexOf(':', this.#at) + 1;
    return name;
  }
}

function skipWhite(text: string, start: number): number {
  let at = start;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at++;
  return at;
}

/** The index after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** The index after a number, true, false or null. */
function endOfToken(text: string, start: number): number {
  let at = start;
  while (at < text.length && !', \n\r\t]}'.includes(text[at] as string)) at++;
  return at;
}
