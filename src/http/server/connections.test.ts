import { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { type Connection, createConnections, leaveTurn, takeTurn } from './connections.ts';

function connect(): Connection {
  const connections = createConnections();
  const socket = new Socket();
  connections.add(socket, { hold: () => undefined, goOn: () => undefined, ignoreRest: () => undefined });
  const connection = connections.get(socket);
  if (connection === undefined) throw new Error('the connection is not known');
  return connection;
}

const turn = () => new Promise(setImmediate);

it('serves requests one after the other, each in a turn of its own', async () => {
  const connection = connect();
  const served: number[] = [];
  for (const number of [1, 2, 3]) takeTurn(connection, () => served.push(number));
  expect(served).toEqual([1]);
  leaveTurn(connection);
  expect(served).toEqual([1]);
  await turn();
  expect(served).toEqual([1, 2]);
});

it('serves a request once that comes between the end of the one before and the next turn', async () => {
  const connection = connect();
  const served: number[] = [];
  takeTurn(connection, () => served.push(1));
  leaveTurn(connection);
  for (const number of [2, 3]) takeTurn(connection, () => served.push(number));
  await turn();
  expect(served).toEqual([1, 2]);
  leaveTurn(connection);
  await turn();
  expect(served).toEqual([1, 2, 3]);
});
