/** Targets that may name a path in another spelling. */
const UNUSUAL = /[%#\\]|\/\.|^[^/]/;
const ENCODED = /%([0-9A-Fa-f]{2})/g;
/** RFC 3986, 2.3: encoded or not, these characters are the same. */
const UNRESERVED = /[A-Za-z0-9._~-]/;

/**
 * The path and query of a request target. `/%6cogs`, `/./logs` and `http://host/logs` are `/logs` (RFC 3986, 6.2.2, and RFC
 * 9112, 3.2.2), so that every spelling reaches the same route.
 */
export function readTarget(url: string): string {
  if (!UNUSUAL.test(url)) return url;
  const queryAt = url.indexOf('?');
  const path = queryAt === -1 ? url : url.slice(0, queryAt);
  const query = queryAt === -1 ? '' : url.slice(queryAt);
  const plain = path.replace(ENCODED, (encoded, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return UNRESERVED.test(character) ? character : encoded;
  });
  const parsed = URL.parse(plain.startsWith('/') ? `http://h${plain}${query}` : `${plain}${query}`);
  return parsed === null ? '/' : `${parsed.pathname}${parsed.search}`;
}

/** The authority of a target in absolute form, which counts in place of the Host header; undefined in any other form. */
export function authorityOf(url: string): string | undefined {
  return url.startsWith('/') ? undefined : URL.parse(url)?.host;
}
