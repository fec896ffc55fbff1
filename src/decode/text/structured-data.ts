const ELEMENT = /\[([^\s=\]"]{1,64})/y;
const PARAMETER = / +([^\s=\]"]{1,64})="/y;
const ESCAPE = /\\(["\\\]])/g;

/** Longer data, and more parameters, are no structured data: a sender has few of them, and reading them must not take long. */
const MAX_CHARACTERS = 64 * 1024;
const MAX_PARAMETERS = 1_000;

type Elements = Map<string, Map<string, string[]>>;

/**
 * Reads the structured data of RFC 5424, 6.3, that stand at `start`: `-`, or `[id name="value" …]` any number of times. Undefined where none do.
 * `json`: `{"id":{"name":"value"}}`; a name that stands several times has the list of its values.
 */
export function readStructuredData(
  text: string,
  start: number,
): { readonly json: string | undefined; readonly end: number } | undefined {
  if (text[start] === '-') return endsAt(text, start + 1) ? { json: undefined, end: start + 1 } : undefined;
  const elements: Elements = new Map();
  const most = start + MAX_CHARACTERS;
  let parameters = 0;
  let at = start;
  while (text[at] === '[' && at < most && parameters < MAX_PARAMETERS) {
    const id = matchAt(ELEMENT, text, at);
    if (id === null) return undefined;
    const values = elements.get(id[1] ?? '') ?? new Map<string, string[]>();
    elements.set(id[1] ?? '', values);
    at += id[0].length;
    // An element without parameters counts as one.
    parameters++;
    for (;;) {
      const end = readParameter(text, at, most, values);
      if (end === at) break;
      at = end;
      parameters++;
      if (parameters > MAX_PARAMETERS) return undefined;
    }
    if (text[at] !== ']') return undefined;
    at++;
  }
  return elements.size > 0 && endsAt(text, at) ? { json: toJson(elements), end: at } : undefined;
}

/** Adds the parameter at `at`, ` name="value"`. Gives the offset after it; `at` where none stands there that ends before `most`. */
function readParameter(text: string, at: number, most: number, values: Map<string, string[]>): number {
  const match = matchAt(PARAMETER, text, at);
  if (match === null) return at;
  const start = at + match[0].length;
  const end = closingQuote(text, start, most);
  if (end === -1) return at;
  const [, name = ''] = match;
  const all = values.get(name) ?? [];
  all.push(text.slice(start, end).replace(ESCAPE, '$1'));
  values.set(name, all);
  return end + 1;
}

/**
 * Where the value ends that begins at `start`; -1 where it does not end before `most`. A `]` in a value should be escaped. Where a sender
 * forgot that, the quotes still tell what it means.
 */
function closingQuote(text: string, start: number, most: number): number {
  for (let at = start; at < text.length && at < most; at++) {
    if (text[at] === '"') return at;
    if (text[at] === '\\') at++;
  }
  return -1;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function endsAt(text: string, at: number): boolean {
  return at === text.length || text[at] === ' ';
}

function toJson(elements: Elements): string {
  const members = [...elements].map(([id, parameters]) => {
    const values = [...parameters].map(
      ([name, all]) => `${JSON.stringify(name)}:${JSON.stringify(all.length === 1 ? all[0] : all)}`,
    );
    return `${JSON.stringify(id)}:{${values.join(',')}}`;
  });
  return `{${members.join(',')}}`;
}
