import { createConnection } from 'node:net';
import { replaceClock } from './clock-edge.ts';
import { replaceDisk } from './disk-edge.ts';
import { createOrderBook } from './order-book.ts';
import { createLineReader, type Report, SOCKET_VARIABLE, type State } from './orders.ts';

/*
 * The side of the service, for `node --import`. It runs in each thread before the program, and waits for the state that the test has set:
 * so an order holds from the first operation on. The socket does not keep the process alive.
 */

const path = process.env[SOCKET_VARIABLE];
if (path === undefined) throw new Error(`cannot take orders: ${SOCKET_VARIABLE} is not set`);

let clockOffsetMs = 0;
const socket = createConnection(path).setEncoding('utf8');
// The test is over: nobody gives orders any more.
socket.on('error', () => undefined);
const report = (each: Report): void => {
  if (socket.writable) socket.write(`${JSON.stringify(each)}\n`);
};
const book = createOrderBook(({ id }, { operation, path: file }) =>
  report({ kind: 'struck', id, operation, path: file }),
);
const first = Promise.withResolvers<void>();
socket.on('close', () => first.reject(new Error(`cannot take orders: no answer from socket=${path}`)));

function take(line: string): void {
  const { number, orders, clockOffsetMs: offset } = JSON.parse(line) as State;
  book.replace(orders);
  clockOffsetMs = offset;
  report({ kind: 'holds', number });
  first.resolve();
}

await replaceDisk(book);
replaceClock(() => clockOffsetMs);
socket.on('data', createLineReader(take));
await first.promise;
socket.unref();
