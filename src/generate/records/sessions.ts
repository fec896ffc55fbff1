import type { Random } from './random.ts';

/** What users do in a shop, and what they may do next. `undefined`: the session is over. */
const NEXT = {
  login: ['browse', 'search'],
  browse: ['browse', 'search', 'view_item'],
  search: ['browse', 'view_item', 'view_item'],
  view_item: ['browse', 'add_to_cart', 'add_to_cart', 'logout'],
  add_to_cart: ['browse', 'checkout', 'checkout'],
  checkout: ['purchase', 'purchase', 'logout'],
  purchase: ['logout'],
  logout: [undefined],
} as const satisfies Readonly<Record<string, readonly [string | undefined, ...(string | undefined)[]]>>;

export type Action = keyof typeof NEXT;

/** The services that log an action. */
const SERVICES = {
  login: ['auth'],
  browse: ['api', 'db'],
  search: ['api', 'db'],
  view_item: ['api', 'db'],
  add_to_cart: ['api'],
  checkout: ['payment'],
  purchase: ['payment', 'notification'],
  logout: ['auth'],
} as const satisfies Readonly<Record<Action, readonly [string, ...string[]]>>;

/** Sessions that go on side by side. */
const OPEN_SESSIONS = 8;
const USERS = 10_000;

/** One thing that a user did. */
export interface Step {
  readonly action: Action;
  readonly service: string;
  readonly userId: string;
  readonly requestId: string;
  readonly sessionToken: string;
}

interface Session {
  action: Action;
  readonly userId: string;
  readonly token: string;
}

/** Gives the next step of one of several sessions. Each walks login → browse or search → view_item → … → logout. */
export function createSessions(random: Random): () => Step {
  const hex = (): string => random.int(0, 0xffffffff).toString(16).padStart(8, '0');
  const begin = (): Session => ({ action: 'login', userId: `user-${random.int(1, USERS)}`, token: hex() + hex() });
  const open = Array.from({ length: OPEN_SESSIONS }, begin);
  return function step() {
    const at = random.int(0, OPEN_SESSIONS - 1);
    const session = open[at] ?? begin();
    const { action, userId, token } = session;
    const next = random.pick<Action | undefined>(NEXT[action]);
    if (next === undefined) open[at] = begin();
    else session.action = next;
    const service = random.pick<string>(SERVICES[action]);
    return { action, service, userId, requestId: `req-${hex()}`, sessionToken: token };
  };
}
