// A strict reader of requests by RFC 9112. It counts how many answers a client may get at most: one for each request, and one for what is no
// request. What follows is not served, because nobody knows where it begins.

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// RFC 9112, 3: several spaces may count as one.
// biome-ignore lint/suspicious/noControlCharactersInRegex: those that a target must not have.
const REQUEST_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ +[^\x00-\x20\x7f]+ +HTTP\/1\.[01]$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: those that a value must not have.
const WRONG_IN_VALUE = /[\x00-\x08\x0a-\x1f\x7f]/;
const LENGTH = /^\d+$/;

interface Message {
  /** Where the next message begins; undefined where it is not known or not there yet. */
  readonly end: number | undefined;
}

/** The number of answers that these bytes may get at most, interim ones not counted. */
export function mostAnswers(bytes: Buffer): number {
  const text = bytes.toString('latin1');
  let count = 0;
  for (let at = 0; at < text.length; ) {
    // RFC 9112, 2.2: empty lines before a request line are left out, and a line may end in LF alone.
    while (text[at] === '\r' || text[at] === '\n') at++;
    // A line end that is half there may be the beginning of anything.
    if (at >= text.length) return text.endsWith('\r') ? count + 1 : count;
    count++;
    const { end } = readMessage(text, at);
    if (end === undefined) return count;
    at = end;
  }
  return count;
}

function readMessage(text: string, at: number): Message {
  const headEnd = text.indexOf('\r\n\r\n', at);
  if (headEnd === -1) return { end: undefined };
  const [requestLine = '', ...lines] = text.slice(at, headEnd).split('\r\n');
  if (!REQUEST_LINE.test(requestLine)) return { end: undefined };
  const fields = readFields(lines);
  if (fields === undefined || requestLine.startsWith('CONNECT ')) return { end: undefined };
  const isLast = closes(requestLine, valuesOf(fields, 'connection').join(','));
  const body = headEnd + 4;
  const transfers = valuesOf(fields, 'transfer-encoding');
  const lengths = valuesOf(fields, 'content-length');
  if (transfers.length > 0) {
    // RFC 9112, 6.1: together they ought to be an error, and HTTP/1.0 has no chunks.
    if (lengths.length > 0 || requestLine.endsWith('1.0')) return { end: undefined };
    if (!/(?:^|,)[\t ]*chunked$/i.test(transfers.join(','))) return { end: undefined };
    const end = readChunks(text, body);
    return { end: isLast ? undefined : end };
  }
  const [length] = lengths;
  if (lengths.some((other) => !LENGTH.test(other) || other !== length)) return { end: undefined };
  const end = body + Number(length ?? 0);
  return { end: isLast || end > text.length ? undefined : end };
}

/** RFC 9112, 9.3: \`close\` is stronger. node:http keeps a connection of HTTP/1.0 that asks for both. */
function closes(requestLine: string, connection: string): boolean {
  if (requestLine.endsWith('1.0') && /(?:^|,)\s*keep-alive\s*(?:,|$)/i.test(connection)) return false;
  return /(?:^|,)\s*close\s*(?:,|$)/i.test(connection);
}

type Fields = readonly (readonly [name: string, value: string])[];

function readFields(lines: readonly string[]): Fields | undefined {
  const fields: [string, string][] = [];
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon));
    const value = line.slice(colon + 1);
    if (colon < 1 || !TOKEN.test(name) || WRONG_IN_VALUE.test(value)) return undefined;
    fields.push([name.toLowerCase(), value.replace(/^[\t ]+|[\t ]+$/g, '')]);
  }
  return fields;
}

function valuesOf(fields: Fields, wanted: string): string[] {
  return fields.flatMap(([name, value]) => (name === wanted ? [value] : []));
}

/** The end of a chunked body; undefined where it is wrong or not whole. */
function readChunks(text: string, from: number): number | undefined {
  for (let at = from; ; ) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const match = /^0*([0-9A-Fa-f]{1,12})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/.exec(text.slice(at, lineEnd));
    if (match === null) return undefined;
    const size = Number.parseInt(match[1] ?? '', 16);
    at = lineEnd + 2;
    if (size === 0) return readTrailers(text, at);
    if (text.slice(at + size, at + size + 2) !== '\r\n') return undefined;
    at += size + 2;
  }
}

function readTrailers(text: string, from: number): number | undefined {
  for (let at = from; ; ) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    if (lineEnd === at) return at + 2;
    if (readFields([text.slice(at, lineEnd)]) === undefined) return undefined;
    at = lineEnd + 2;
  }
}
