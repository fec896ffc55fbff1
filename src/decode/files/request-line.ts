/** The parts of a request line (RFC 9112, section 3), or the whole of a request that is none of HTTP. */
export type RequestLine =
  | { readonly method: string; readonly path: string; readonly protocol: string | undefined }
  | { readonly path: string; readonly malformed: true };

/** A token (RFC 9110, section 5.6.2) without lower case: all methods in use are written so, and servers refuse others. */
const METHOD = /^[A-Z][A-Z0-9!#$%&'*+.^_`|~-]*$/;
const PROTOCOL = /^[A-Z]{1,16}\/\d(?:\.\d)?$/;
const MAX_PROTOCOL_LENGTH = 20;
const VERSION = /^(?:1\.[01]|2|2\.0|3)$/;
const ESCAPE = '\u001b';
const COLOURED = new RegExp(String.raw`^(?:${ESCAPE}\[[\d;]*m)+([A-Z][^${ESCAPE}]*)(?:${ESCAPE}\[0m)+$`);

/**
 * Reads `GET /c?a=b HTTP/1.1`, or without a protocol. A target may have blanks; after one that has none the version may stand alone: `GET /c 1.1`.
 * Where the text does not begin with a method and a target, or has only a protocol for a target, the whole of it is the path (`-` where it is
 * blank).
 */
export function splitRequest(request: string): RequestLine {
  const text = withoutColours(request).trim();
  const blank = text.indexOf(' ');
  const method = text.slice(0, Math.max(blank, 0));
  if (!METHOD.test(method)) return malformed(text);
  const last = text.lastIndexOf(' ');
  const path = text.slice(blank + 1, last).trim();
  const protocol = readProtocol(text.slice(last + 1), path);
  if (protocol === undefined) return { method, path: text.slice(blank + 1).trim(), protocol };
  return path === '' ? malformed(text) : { method, path, protocol };
}

/** Hypercorn writes the version alone. After a path with blanks it may as well be a part of that. */
function readProtocol(word: string, path: string): string | undefined {
  if (VERSION.test(word)) return path === '' || path.includes(' ') ? undefined : `HTTP/${word}`;
  return word.length <= MAX_PROTOCOL_LENGTH && PROTOCOL.test(word) ? word : undefined;
}

/** Werkzeug colours the whole request line, even in a file. */
function withoutColours(request: string): string {
  return COLOURED.exec(request)?.[1] ?? request;
}

function malformed(text: string): RequestLine {
  return { path: text === '' ? '-' : text, malformed: true };
}
