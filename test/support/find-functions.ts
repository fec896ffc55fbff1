/** A function with a block body, as it stands in a source file. */
export interface FoundFunction {
  /** The line that begins it, without its indentation. */
  readonly head: string;
  /** From 1. */
  readonly line: number;
  /** Lines from its first to its closing brace. Inner functions count as lines of the outer one. */
  readonly length: number;
}

/** Words that look like the name of a method: `if (a) {`. */
const KEYWORDS = ['if', 'for', 'while', 'switch', 'catch', 'with'];
const FUNCTION = /\bfunction\b\s*\*?\s*[\w$]*\s*[(<]/;
const ARROW = /=>\s*\{$/;
const METHOD =
  /^(?:(?:public|private|protected|static|override|async|get|set)\s+)*\*?\s*(#?[\w$]+|\[[^\]]+\])(?:<[^{]*>)?\(.*\)(?::.+)?\s*\{$/;

/**
 * Functions with a block body, found in the text: TypeScript 7 has no API for programs. It relies on the format that biome
 * keeps. What begins on a line goes on in the next lines of the same indentation that begin with a closing bracket:
 *
 *     export function createSpool({     begins
 *       dir,
 *     }: SpoolOptions): Spool {         begins the body
 *       …
 *     }                                 ends
 */
export function findFunctions(text: string): FoundFunction[] {
  const lines = text.split('\n');
  return lines.flatMap((line, i) => {
    if (!/[({[<]$/.test(line) || /^\s*(?:[)}\]>]|\*(?:[\s/]|$)|\/[/*])/.test(line)) return [];
    const end = findEnd(lines, i);
    return end === undefined ? [] : [{ head: line.trim(), line: i + 1, length: end - i + 1 }];
  });
}

/** The index of the line with the closing brace; undefined when no function begins at `start`. */
function findEnd(lines: readonly string[], start: number): number | undefined {
  const indentation = indentationOf(lines[start] ?? '');
  let head = withoutTexts(lines[start] ?? '');
  let hasBody = isFunctionHead(head);
  for (let i = start + 1; i < lines.length; i++) {
    const line = lines[i] ?? '';
    if (line === '' || indentationOf(line) > indentation) continue;
    const closes = indentationOf(line) === indentation && /^[)}\]>]/.test(line.trim());
    if (!closes) {
      // Within a body this is text of a template.
      if (hasBody) continue;
      return undefined;
    }
    // `}: Options): X {` and `} {` after a type begin the body. Another closing brace ends the function.
    if (!/[({[<]$/.test(line)) return hasBody && line.trim().startsWith('}') ? i : undefined;
    head += ` ${withoutTexts(line)}`;
    hasBody ||= isFunctionHead(head);
  }
  return undefined;
}

function isFunctionHead(head: string): boolean {
  if (!head.endsWith('{')) return false;
  if (FUNCTION.test(head) || ARROW.test(head)) return true;
  const name = METHOD.exec(head)?.[1];
  return name !== undefined && !KEYWORDS.includes(name);
}

function withoutTexts(line: string): string {
  return line.trim().replace(/'[^']*'|"[^"]*"|`[^`]*`/g, "''");
}

function indentationOf(line: string): number {
  return line.length - line.trimStart().length;
}
