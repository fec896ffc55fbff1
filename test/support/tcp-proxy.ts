import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createPassage, type Filter, type Passage, type Toxics } from './passage.ts';
import { createRandom } from './random.ts';

/** Towards the server (what clients send), or towards the clients (what the server answers). */
export type Direction = 'toServer' | 'toClient';

/** `close`: the peer sees an end in order, as far as TCP can tell. `reset`: it sees ECONNRESET. */
export type Cut = 'close' | 'reset';

export interface Connection {
  /** What the filters found out about the connection, such as `producer`. */
  readonly role: string | undefined;
  cut(how: Cut): void;
}

/** Which connections an order is for. Absent members hold for all. */
export interface Scope {
  readonly role?: string;
  /** The share of connections, from 0 to 1. Each connection draws by the seed. */
  readonly share?: number;
}

/**
 * A TCP proxy in front of one server, for any protocol. It spoils connections by order, and the orders can change while
 * connections run. An order holds for the connections that are open and for those that follow, until `heal`. Each direction
 * holds at most 256 KiB of a connection; then its sender must wait.
 */
export interface TcpProxy {
  readonly port: number;
  /** Spoils one direction, or both. A later order for the same direction replaces the earlier one. */
  spoil(direction: Direction | 'both', toxics: Toxics, scope?: Scope): void;
  /** Ends the open connections, and returns how many. New ones are accepted. */
  cut(how: Cut, scope?: Scope): number;
  /** Ends one direction of the open connections. The other goes on. */
  halfClose(direction: Direction, scope?: Scope): number;
  /** Refuses new connections (ECONNREFUSED). Open ones go on. */
  refuse(): Promise<void>;
  /** Lifts every order and accepts connections. What TCP would have sent again is passed on. */
  heal(): Promise<void>;
  /** The connections from now on draw by this seed. */
  reseed(seed: number): void;
  /** Connections that are open. */
  connections(): number;
  /** Bytes that were passed on so far. */
  passed(direction: Direction): number;
  close(): Promise<void>;
}

export interface TcpProxyOptions {
  /** 0, the default: a free port. */
  readonly port?: number;
  /** The port of the server, on 127.0.0.1. */
  readonly target: number;
  readonly seed?: number;
  /** Looks into each connection. It may name its role, change or keep bytes, and cut it. */
  readonly filters?: (connection: {
    setRole(role: string): void;
    cut(how: Cut): void;
  }) => Partial<Record<Direction, Filter>>;
}

const DIRECTIONS = ['toServer', 'toClient'] as const;

interface Open extends Connection {
  readonly passages: Readonly<Record<Direction, Passage>>;
  /** Whether the connection is in a scope of this share. It draws once for each order. */
  drawn(share: number): boolean;
}

interface Order {
  readonly toxics: Toxics;
  readonly scope: Scope;
}

export async function startTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  let random = createRandom(options.seed ?? 1);
  const open = new Set<Open>();
  const orders = new Map<Direction, Order>();
  const passed = { toServer: 0, toClient: 0 };

  const inScope = ({ role, share = 1 }: Scope, connection: Open) =>
    (role === undefined || connection.role === role) && connection.drawn(share);

  function obey(connection: Open, direction: Direction): void {
    const order = orders.get(direction);
    const isMeant = order !== undefined && inScope(order.scope, connection);
    connection.passages[direction].spoil(isMeant ? order.toxics : {});
  }

  function accept(client: Socket): void {
    const server = connect({ port: options.target, host: '127.0.0.1', allowHalfOpen: true });
    const draw = random.fork();
    let role: string | undefined;
    const cut = (how: Cut) => {
      for (const socket of [client, server]) how === 'reset' ? socket.resetAndDestroy() : socket.destroy();
    };
    const setRole = (name: string) => {
      if (role === name) return;
      role = name;
      for (const direction of DIRECTIONS) obey(connection, direction);
    };
    const filters = options.filters?.({ setRole, cut }) ?? {};
    const passage = (direction: Direction, source: Socket, sink: Socket) =>
      createPassage({
        source,
        sink,
        draw: draw.fork(),
        filter: filters[direction],
        onPassed: (bytes) => {
          passed[direction] += bytes;
        },
        cut: () => cut('close'),
      });
    const connection: Open = {
      get role() {
        return role;
      },
      cut,
      drawn: (share) => draw.chance(share),
      passages: {
        toServer: passage('toServer', client, server),
        toClient: passage('toClient', server, client),
      },
    };
    open.add(connection);
    for (const direction of DIRECTIONS) obey(connection, direction);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => cut('reset'));
      socket.on('close', () => {
        if (client.destroyed && server.destroyed) open.delete(connection);
      });
    }
  }

  const listener = createListener(accept);
  const port = await listener.listen(options.port ?? 0);
  const meant = (scope: Scope) => Array.from(open).filter((connection) => inScope(scope, connection));

  return {
    port,
    spoil: (direction, toxics, scope = {}) => {
      for (const one of direction === 'both' ? DIRECTIONS : [direction]) {
        orders.set(one, { toxics, scope });
        for (const connection of open) obey(connection, one);
      }
    },
    cut: (how, scope = {}) => {
      const connections = meant(scope);
      for (const connection of connections) connection.cut(how);
      return connections.length;
    },
    halfClose: (direction, scope = {}) => {
      const connections = meant(scope);
      for (const { passages } of connections) passages[direction].end();
      return connections.length;
    },
    refuse: () => listener.stop(),
    heal: async () => {
      orders.clear();
      for (const connection of open) for (const direction of DIRECTIONS) obey(connection, direction);
      await listener.listen(port);
    },
    reseed: (seed) => {
      random = createRandom(seed);
    },
    connections: () => open.size,
    passed: (direction) => passed[direction],
    close: async () => {
      const stopped = listener.stop();
      for (const connection of open) connection.cut('close');
      await stopped;
    },
  };
}

/** A listener that can stop and listen again on its port, while its connections go on. */
function createListener(accept: (socket: Socket) => void) {
  let server: Server | undefined;
  return {
    async listen(port: number): Promise<number> {
      if (server !== undefined) return port;
      const next = createServer({ allowHalfOpen: true }, accept);
      server = next;
      next.listen(port, '127.0.0.1');
      await once(next, 'listening');
      return (next.address() as AddressInfo).port;
    },
    async stop(): Promise<void> {
      // It stops to listen at once. Its callback would wait for the connections.
      server?.close();
      server = undefined;
    },
  };
}
