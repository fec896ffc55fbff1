import type { AccessFields } from '../line-format.ts';
import { unescapeLog } from '../unescape.ts';
import { nextQuote } from './log-quotes.ts';

/** What stands after the status, and the user agent as it is written; empty: none. */
type Agents = Pick<AccessFields, 'userAgent' | 'bytes' | 'referrer' | 'duration' | 'rest'>;

/** More digits may be no safe integer: they are kept as text. */
const COUNT = /^\d{1,15}$/;
const SECONDS = /^\d{1,15}\.\d{1,15}$/;
const SAYS_NOTHING = /^(?:(?:-|"-")(?:[ \t]+|$))*$/;
const URL = /^(?:[a-z][a-z0-9+.-]*:\/\/|-?$)/i;
/** After the closing quote of a referrer: the opening quote of the user agent, perhaps with a number before it. */
const AGENT_FOLLOWS = /[ \t]+(?:[\d.-]+[ \t]+)?"/y;
const BLANK_OR_END = /[ \t]|$/y;

/** Reads `bytes [number …] ["referrer" "user agent"] [anything]` from `at` to the end of the text. */
export function readAgents(text: string, at: number): Agents {
  const { words, end } = readWords(text, at);
  const [first] = words;
  const isCount = first !== undefined && COUNT.test(first);
  const others = words.slice(isCount || first === '-' ? 1 : 0);
  const [only = ''] = others;
  const isDuration = others.length === 1 && SECONDS.test(only);
  const quoted = readQuoted(text, end);
  return {
    userAgent: quoted.userAgent,
    bytes: isCount ? Number(first) : undefined,
    referrer: presentReferrer(quoted.referrer),
    duration: isDuration ? Number(only) : undefined,
    rest: presentRest([...(isDuration ? [] : others), ...quoted.rest]),
  };
}

/** The words from `at` on until one begins with a quote, and where that, or the end of the text, is. */
function readWords(text: string, at: number): { readonly words: string[]; readonly end: number } {
  const words: string[] = [];
  let start = skipBlanks(text, at);
  while (start < text.length && text[start] !== '"') {
    let end = start;
    while (end < text.length && !isBlank(text, end)) end++;
    words.push(text.slice(start, end));
    start = skipBlanks(text, end);
  }
  return { words, end: start };
}

interface Quoted {
  readonly referrer: string;
  readonly userAgent: string;
  readonly rest: readonly string[];
}

/** The two fields in quotes. One alone is the referrer if it looks like one. */
function readQuoted(text: string, open: number): Quoted {
  if (open >= text.length) return { referrer: '', userAgent: '', rest: [] };
  const close = findReferrerEnd(text, open + 1);
  const referrer = text.slice(open + 1, close);
  const { words, end } = readWords(text, close + 1);
  if (end >= text.length)
    return URL.test(referrer.trim())
      ? { referrer, userAgent: '', rest: words }
      : { referrer: '', userAgent: referrer, rest: words };
  const agentEnd = findAgentEnd(text, end + 1);
  return {
    referrer,
    userAgent: text.slice(end + 1, agentEnd),
    rest: [...words, text.slice(agentEnd + 1).trim()],
  };
}

/**
 * A quote inside a field may stand there without a backslash, so the referrer ends at the first one that the user agent follows; where there
 * is none, at the first one before a blank, else at the end: the line is cut.
 */
function findReferrerEnd(text: string, start: number): number {
  let fallback = text.length;
  for (let quote = nextQuote(text, start, start); quote !== -1; quote = nextQuote(text, quote + 1, start)) {
    if (matchesAt(AGENT_FOLLOWS, text, quote + 1)) return quote;
    if (fallback === text.length && matchesAt(BLANK_OR_END, text, quote + 1)) fallback = quote;
  }
  return fallback;
}

/** The user agent ends at the first quote before a blank or the end, after which the quotes are in pairs: the others stand inside of it. */
function findAgentEnd(text: string, start: number): number {
  let after = 0;
  for (let quote = nextQuote(text, start, start); quote !== -1; quote = nextQuote(text, quote + 1, start)) after++;
  let fallback = text.length;
  for (let quote = nextQuote(text, start, start); quote !== -1; quote = nextQuote(text, quote + 1, start)) {
    after--;
    if (!matchesAt(BLANK_OR_END, text, quote + 1)) continue;
    if (after % 2 === 0) return quote;
    if (fallback === text.length) fallback = quote;
  }
  return fallback;
}

function matchesAt(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at;
  return pattern.test(text);
}

function presentReferrer(field: string): string | undefined {
  const referrer = unescapeLog(field).trim();
  return referrer === '' || referrer === '-' ? undefined : referrer;
}

/** Undefined where there is nothing but fields that are absent. */
function presentRest(parts: readonly string[]): string | undefined {
  const rest = parts.filter((part) => part !== '').join(' ');
  return SAYS_NOTHING.test(rest) ? undefined : rest;
}

function isBlank(text: string, at: number): boolean {
  return text[at] === ' ' || text[at] === '\t';
}

function skipBlanks(text: string, at: number): number {
  let i = at;
  while (isBlank(text, i)) i++;
  return i;
}
