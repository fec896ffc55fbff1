/** The parts of a request line (RFC 9112, section 3), or the whole of a request that is none of HTTP. */
export type RequestLine =
  | { readonly method: string; readonly path: string; readonly protocol: string | undefined }
  | { readonly path: string; readonly malformed: true };

/** A token (RFC 9110, section 5.6.2) without lower case: all methods in use are written so, and servers refuse others. */
const METHOD = /^[A-Z][A-Z0-9!#$%&'*+.^_`|~-]*$/;
const PROTOCOL = /^[A-Z]{1,16}\/\d(?:\.\d)?$/;
const MAX_PROTOCOL_LENGTH = 20;

/**
 * Reads `GET /c?a=b HTTP/1.1`, or without a protocol. A target may have blanks. Where the text does not begin with a method and a target, or
 * has only a protocol for a target, the whole of it is the path (`-` where it is blank).
 */
export function splitRequest(request: string): RequestLine {
  const text = request.trim();
  const blank = text.indexOf(' ');
  const method = text.slice(0, Math.max(blank, 0));
  if (!METHOD.test(method)) return malformed(text);
  const last = text.lastIndexOf(' ');
  const word = text.slice(last + 1);
  if (!isProtocol(word)) return { method, path: text.slice(blank + 1).trim(), protocol: undefined };
  const path = text.slice(blank + 1, last).trim();
  return path === '' ? malformed(text) : { method, path, protocol: word };
}

function isProtocol(word: string): boolean {
  return word.length <= MAX_PROTOCOL_LENGTH && PROTOCOL.test(word);
}

function malformed(text: string): RequestLine {
  return { path: text === '' ? '-' : text, malformed: true };
}
