/** Whether an Accept-Encoding allows gzip (RFC 9110, 12.5.3): by name or by `*`, with a weight above 0. */
export function acceptsGzip(header: string | undefined): boolean {
  let byAny = false;
  for (const member of (header ?? '').toLowerCase().split(',')) {
    const [name = '', ...parameters] = member.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    const isAllowed = weight === undefined || Number(weight.slice(2)) > 0;
    if (name === 'gzip' || name === 'x-gzip') return isAllowed;
    if (name === '*') byAny = isAllowed;
  }
  return byAny;
}
