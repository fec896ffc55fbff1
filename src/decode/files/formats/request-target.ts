import type { AccessFields } from '../line-format.ts';

export type RequestFields = Pick<AccessFields, 'path' | 'method' | 'protocol' | 'malformed'>;

/** For formats that have no request line, and for requests that could not be read. */
export function malformed(request: string): RequestFields {
  const text = request.trim();
  return { path: text === '' ? '-' : text, malformed: true };
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: ':80', https: ':443', ws: ':80', wss: ':443' };

/** Host and path of a target in absolute form: `https://www.example.com:443/c?q=1`. Without the port where it is the scheme's own. */
export function splitTarget(target: string): { readonly host?: string | undefined; readonly path: string } {
  const schemeEnd = target.indexOf('://');
  if (schemeEnd <= 0 || !/^[a-z][a-z0-9+.-]{0,15}$/i.test(target.slice(0, Math.min(schemeEnd, 17))))
    return { path: target };
  const start = schemeEnd + '://'.length;
  let end = start;
  while (end < target.length && !'/?#'.includes(target[end] as string)) end++;
  const port = DEFAULT_PORTS[target.slice(0, schemeEnd).toLowerCase()];
  const named = target.slice(start, end);
  const authority = named.slice(named.lastIndexOf('@') + 1);
  const host = port !== undefined && authority.endsWith(port) ? authority.slice(0, -port.length) : authority;
  const path = target.slice(end);
  return { host: host === '' ? undefined : host, path: path.startsWith('/') ? path : `/${path}` };
}
