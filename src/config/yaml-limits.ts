import { Lexer } from 'yaml';

/*
 * The library reads deep nesting by recursion, and some texts in quadratic time: 200,000 braces or 500,000 comments took over 10 s. So the
 * tokens are counted first, without recursion.
 */

/** The largest configuration file, in bytes. */
export const MAX_CONFIG_BYTES = 256 * 1024;
/** Brackets in brackets. The schema needs two levels. */
const MAX_FLOW_DEPTH = 20;
/** Each block inside another begins at least one column further right. */
const MAX_BLOCK_COLUMN = 100;
const MAX_ALIASES = 100;

/** The first place at which a YAML text goes beyond a limit: its line, counted from 1, and what was found. */
export function findExcess(text: string): { readonly line: number; readonly message: string } | undefined {
  let line = 1;
  let column = 0;
  let flowDepth = 0;
  let aliases = 0;
  let isLineStart = true;
  for (const token of new Lexer().lex(text)) {
    if (isMark(token)) continue;
    if (token === '[' || token === '{') flowDepth++;
    if (token === ']' || token === '}') flowDepth--;
    if (token.startsWith('*')) aliases++;
    if (flowDepth > MAX_FLOW_DEPTH) {
      return { line, message: `brackets are nested deeper than ${MAX_FLOW_DEPTH} levels` };
    }
    if (aliases > MAX_ALIASES) return { line, message: `more than ${MAX_ALIASES} aliases` };
    const isBlank = /^\s*(?:#|$)/.test(token);
    const beginsBlock = flowDepth === 0 && !isBlank && (isLineStart || token === '-' || token === '?');
    if (beginsBlock && column > MAX_BLOCK_COLUMN) {
      return { line, message: `a block is indented by more than ${MAX_BLOCK_COLUMN} columns` };
    }
    if (!isBlank) isLineStart = false;
    const lastBreak = token.lastIndexOf('\n');
    column = lastBreak === -1 ? column + token.length : token.length - lastBreak - 1;
    if (lastBreak === -1) continue;
    isLineStart = true;
    line += token.split('\n').length - 1;
  }
  return undefined;
}

/** Marks of the lexer that are no text: the begin of a document, of a scalar, the end of a flow collection. Source: `yaml`, parse/cst. */
function isMark(token: string): boolean {
  return token === '\u0002' || token === '\u0018' || token === '\u001f';
}
