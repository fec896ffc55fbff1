/** Whether what stands at `at` may follow a closing quote. */
export type Follows = (text: string, at: number) => boolean;

interface QuotedOptions {
  /** Software that writes texts as they are, without escapes: a backslash means nothing. */
  readonly raw?: boolean;
  /** What must follow the closing quote and a blank, where the format says it. Any quote before that belongs to the field. */
  readonly follows?: Follows;
}

/**
 * Reads the fields of a line from left to right. Fields are separated by blanks and tabs, any number of them. Each method reads its
 * characters once, so a line takes time that is linear in its length.
 */
export class LineCursor {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** The next character that is no blank; empty at the end. */
  peek(): string {
    this.#skipBlanks();
    return this.text[this.at] ?? '';
  }

  /** Up to the next blank; empty at the end. */
  word(): string {
    this.#skipBlanks();
    const { text, at: start } = this;
    let end = start;
    while (end < text.length && !isBlank(text, end)) end++;
    this.at = end;
    return text.slice(start, end);
  }

  /**
   * The text between quotes; undefined where no quote stands. A quote closes the field where a blank or the end of the line follows it, so
   * quotes inside need no escape. Without a closing quote the field is the rest of the line: the line was cut.
   */
  quoted({ raw = false, follows }: QuotedOptions = {}): string | undefined {
    if (this.peek() !== '"') return undefined;
    const { text } = this;
    const start = this.at + 1;
    for (let quote = text.indexOf('"', start); quote >= 0; quote = text.indexOf('"', quote + 1)) {
      const next = quote + 1;
      const closes = next === text.length || (isBlank(text, next) && (follows === undefined || follows(text, next)));
      if (!closes || (!raw && isEscaped(text, start, quote))) continue;
      this.at = next;
      return text.slice(start, quote);
    }
    this.at = text.length;
    return text.slice(start);
  }

  /** A quoted text, or a word: many formats write an absent text as a dash without quotes. */
  quotedOrWord(options?: QuotedOptions): string {
    return this.quoted(options) ?? this.word();
  }

  /** The text up to the next `close`, where the next character is `open`; undefined otherwise. */
  enclosed(open: string, close: string): string | undefined {
    if (this.peek() !== open) return undefined;
    const end = this.text.indexOf(close, this.at + 1);
    if (end < 0) return undefined;
    const inner = this.text.slice(this.at + 1, end);
    this.at = end + 1;
    return inner;
  }

  /** The text before the next `mark`, trimmed; undefined where it does not come. The mark is the next to be read. */
  before(mark: string): string | undefined {
    const end = this.text.indexOf(mark, this.at);
    if (end < 0) return undefined;
    const found = this.text.slice(this.at, end).trim();
    this.at = end;
    return found;
  }

  /** What is left, trimmed; undefined where nothing is. */
  rest(): string | undefined {
    const rest = this.text.slice(this.at).trim();
    return rest === '' ? undefined : rest;
  }

  #skipBlanks(): void {
    this.at = skipBlanks(this.text, this.at);
  }
}

/** A further quoted field follows. */
export const quoteFollows: Follows = (text, at) => text[skipBlanks(text, at)] === '"';

/** A number follows, and a quoted field after it. */
export const numberFollows: Follows = (text, at) => {
  const start = skipBlanks(text, at);
  let end = start;
  while (isDigit(text, end)) end++;
  return end > start && quoteFollows(text, end);
};

/** A status, or a dash in its place. */
export const statusFollows: Follows = (text, at) => matches(STATUS, text, at);

/** Words follow, up to the end or to a further quoted field. */
export const wordsFollow: Follows = (text, at) => matches(WORDS, text, at);

const STATUS = /[ \t]+(?:\d{1,3}|-)(?=[ \t]|$)/y;
const WORDS = /(?:[ \t]+[^ \t"]+)+[ \t]*(?:$|(?<=[ \t])")/y;

function matches(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at;
  return pattern.test(text);
}

function skipBlanks(text: string, at: number): number {
  let next = at;
  while (next < text.length && isBlank(text, next)) next++;
  return next;
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || code === 0x09;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

/** Whether an odd number of backslashes stands before a quote. */
function isEscaped(text: string, start: number, quote: number): boolean {
  let first = quote;
  while (first > start && text.charCodeAt(first - 1) === 0x5c) first--;
  return (quote - first) % 2 === 1;
}
