/**
 * Who may use a route, where auth is on. `open`: everybody. The others: who has a key of that class (auth.keys, auth.readKeys,
 * auth.adminKeys). A key has the classes of the lists that it stands in, and no other.
 */
export const ACCESS_CLASSES = ['open', 'send', 'read', 'admin'] as const;
export type AccessClass = (typeof ACCESS_CLASSES)[number];
export type KeyedClass = Exclude<AccessClass, 'open'>;

interface Rule {
  /** One path, all that begin with it where it ends in `*`, or all that match. */
  readonly path: string | RegExp;
  /** Absent: every method. */
  readonly methods?: readonly string[];
  /** `metrics`: `read` with auth.metrics, else `open`. */
  readonly access: AccessClass | 'metrics';
}

const READS = ['GET', 'HEAD'];

/** Every route has its class here, and only here. The first rule that fits holds. A path without a rule is answered 404. */
const RULES: readonly Rule[] = [
  { path: '/logs', methods: ['POST'], access: 'send' },
  // Another method is answered 405, which tells nothing.
  { path: '/logs', access: 'open' },
  { path: '/logs/*', access: 'send' },
  { path: '/store/batch', methods: ['POST'], access: 'send' },
  { path: '/store/batch', access: 'open' },
  { path: '/store/*', access: 'read' },
  { path: '/ruok', access: 'open' },
  { path: '/health', access: 'open' },
  { path: '/ready', access: 'open' },
  { path: '/version', access: 'open' },
  { path: '/openapi.json', access: 'open' },
  { path: '/docs', access: 'open' },
  { path: '/', access: 'open' },
  { path: '/assets/*', access: 'open' },
  { path: '/metrics', access: 'metrics' },
  { path: '/analytics', access: 'read' },
  { path: '/records', access: 'read' },
  { path: '/streams', access: 'read' },
  { path: '/stats', access: 'read' },
  { path: '/events', access: 'read' },
  { path: '/events/tail', access: 'read' },
  { path: '/api/*', access: 'read' },
  { path: '/admin/*', access: 'admin' },
  // A check of compatibility and a look-up of a schema change nothing, though they are posted.
  { path: '/registry/*', methods: READS, access: 'read' },
  { path: '/registry/compatibility/*', methods: ['POST'], access: 'read' },
  { path: /^\/registry\/subjects\/[^/]+$/, methods: ['POST'], access: 'read' },
  { path: '/registry/*', access: 'admin' },
  { path: '/schema/register', access: 'admin' },
  { path: '/schema/*', access: 'read' },
];

/** The class of a request; undefined for a path that no rule names. `metrics`: auth.metrics. */
export function accessOf(
  { method, path }: { readonly method: string; readonly path: string },
  { metrics }: { readonly metrics: boolean },
): AccessClass | undefined {
  const rule = RULES.find((one) => fits(one, method, path));
  if (rule?.access !== 'metrics') return rule?.access;
  return metrics ? 'read' : 'open';
}

function fits({ path: pattern, methods }: Rule, method: string, path: string): boolean {
  if (methods?.includes(method) === false) return false;
  if (typeof pattern !== 'string') return pattern.test(path);
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}
