import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * A proxy between clients and a broker that can lose the answer to a produce request: the broker has stored the request, and
 * the client does not know. It can also be slow. The broker must tell its clients the proxy's port.
 */
export interface KafkaProxy {
  readonly port: number;
  /** Loses the answers to the next produce requests: it closes the connection, or keeps it silent. */
  loseAnswers(count: number, how: 'cut' | 'silent'): void;
  /** Answers lost so far. */
  lost(): number;
  /** Delays every answer from now on, in milliseconds. */
  delayAnswers(delayMs: number): void;
  close(): Promise<void>;
}

const PRODUCE = 0;

export async function startKafkaProxy(options: {
  readonly port: number;
  readonly target: number;
}): Promise<KafkaProxy> {
  let toLose = 0;
  let lost = 0;
  let mode: 'cut' | 'silent' = 'cut';
  let delayMs = 0;
  const sockets = new Set<Socket>();

  const server: Server = createServer((client) => {
    const broker = connect(options.target, '127.0.0.1');
    const produces = new Set<number>();
    /** Answers leave in the order in which they arrived. */
    let written: Promise<unknown> = Promise.resolve();
    const answer = (frame: Buffer) => {
      const before = delayMs === 0 ? written : written.then(() => sleep(delayMs));
      written = before.then(() => client.write(frame));
    };
    for (const socket of [client, broker]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        broker.destroy();
      });
    }
    client.on(
      'data',
      readFrames((frame) => {
        if (frame.readInt16BE(4) === PRODUCE) produces.add(frame.readInt32BE(8));
        broker.write(frame);
      }),
    );
    broker.on(
      'data',
      readFrames((frame) => {
        const correlation = frame.readInt32BE(4);
        if (!produces.delete(correlation) || toLose === 0) {
          answer(frame);
          return;
        }
        toLose--;
        lost++;
        if (mode === 'cut') client.destroy();
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(options.port, '127.0.0.1', resolve));
  return {
    port: options.port,
    loseAnswers: (count, how) => {
      toLose = count;
      mode = how;
    },
    lost: () => lost,
    delayAnswers: (ms) => {
      delayMs = ms;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Cuts a stream into messages of the protocol. A length stands before each. */
function readFrames(take: (frame: Buffer) => void): (data: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (data) => {
    rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
    while (rest.length >= 12 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0);
      take(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  };
}
