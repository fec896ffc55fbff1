/** The text of a schema cannot be read, or names something that is not there. `message` has the place. */
export class SchemaTextError extends Error {
  override readonly name = 'SchemaTextError';
}

/** One token of a .proto file. Source: https://protobuf.dev/reference/protobuf/edition-2023-spec/#lexical_elements */
export interface Token {
  readonly kind: 'word' | 'number' | 'text' | 'symbol' | 'end';
  /** As written; of a text, what it means. */
  readonly text: string;
  /** Where it begins. */
  readonly at: number;
}

const SPACE = /(?:\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;
const TOKEN =
  /([A-Za-z_]\w*)|((?:0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)\w*)|("(?:[^"\\\n\0]|\\[^\n\0])*"|'(?:[^'\\\n\0]|\\[^\n\0])*')|([.,;:=(){}[\]<>/+-])/y;

/** Reads tokens one by one, with one token of look-ahead. */
export class Tokens {
  readonly #text: string;
  #next: Token;
  /** Where the token ends that `peek` gives. */
  #end = 0;

  constructor(text: string) {
    this.#text = text;
    this.#next = this.#read();
  }

  peek(): Token {
    return this.#next;
  }

  next(): Token {
    const token = this.#next;
    this.#next = this.#read();
    return token;
  }

  /** Takes the next token if it is this symbol or word. */
  take(text: string): boolean {
    const { kind } = this.#next;
    if (this.#next.text !== text || (kind !== 'symbol' && kind !== 'word')) return false;
    this.next();
    return true;
  }

  expect(text: string): void {
    if (!this.take(text)) throw this.fail(`expected "${text}"`);
  }

  word(what: string): string {
    if (this.#next.kind !== 'word') throw this.fail(`expected ${what}`);
    return this.next().text;
  }

  /** Neighbouring texts are one. */
  text(what: string): string {
    if (this.#next.kind !== 'text') throw this.fail(`expected ${what}`);
    let text = '';
    while (this.#next.kind === 'text') text += this.next().text;
    return text;
  }

  integer(what: string): number {
    const { kind, text } = this.#next;
    const isInteger = kind === 'number' && /^(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)$/.test(text);
    if (!isInteger) throw this.fail(`expected ${what}`);
    this.next();
    return /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text);
  }

  /** Skips to the end of a statement: a semicolon, or a block in braces. */
  skipStatement(): void {
    let depth = 0;
    for (;;) {
      const { kind, text } = this.next();
      if (kind === 'end') throw this.fail('expected ";" or "}"');
      if (kind !== 'symbol') continue;
      if (text === ';' && depth === 0) return;
      if ('([{'.includes(text)) depth++;
      if (')]}'.includes(text) && --depth <= 0 && text === '}') break;
    }
    this.take(';');
  }

  /** An error at the next token, or at `token`. */
  fail(problem: string, token = this.#next): SchemaTextError {
    const before = this.#text.slice(0, token.at);
    const line = before.split('\n').length;
    const column = token.at - before.lastIndexOf('\n');
    const found = token.kind === 'end' ? 'the end' : JSON.stringify(this.#text.slice(token.at, token.at + 20));
    return new SchemaTextError(`line ${line} column ${column}: ${problem}, found ${found}`);
  }

  #read(): Token {
    const text = this.#text;
    SPACE.lastIndex = this.#end;
    SPACE.exec(text);
    const at = SPACE.lastIndex;
    this.#end = text.length;
    if (at === text.length) return { kind: 'end', text: '', at };
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) throw this.fail('not a token', { kind: 'symbol', text: '', at });
    this.#end = TOKEN.lastIndex;
    const [whole, word, number, quoted] = match;
    if (word !== undefined) return { kind: 'word', text: word, at };
    if (number !== undefined) return { kind: 'number', text: number, at };
    if (quoted !== undefined) return { kind: 'text', text: unescapeText(quoted), at };
    return { kind: 'symbol', text: whole, at };
  }
}

const ESCAPES: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };
const ESCAPE = /\\(?:[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|(.))/gs;

/** What a quoted text means. Escapes of bytes are taken for characters: no name that a schema uses has one. */
function unescapeText(quoted: string): string {
  return quoted.slice(1, -1).replace(ESCAPE, (_, hex, four, eight, octal, simple: string | undefined) => {
    if (simple !== undefined) return ESCAPES[simple] ?? simple;
    const code = Number.parseInt(octal ?? hex ?? four ?? eight, octal === undefined ? 16 : 8);
    return code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code);
  });
}
