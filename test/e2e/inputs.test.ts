import { once } from 'node:events';
import { statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { startWithInputs } from '../support/input-service.ts';
import { removeDirs, type Service } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';
import { readMetric } from '../support/version2.ts';

/* Inputs of a real process: what comes in over sockets is stored as what comes in over HTTP. */

let service: Service;
afterEach(async () => {
  await service.stop('SIGKILL');
  await removeDirs(service.dirs);
});

const line = (i: number) => `{"timestamp":"2015-05-17T10:00:00Z","level":"INFO","message":"m${i}","service":"s"}\n`;

/** Where an input listens, as the log says. */
async function whereOf(name: string): Promise<string> {
  return eventually(() => {
    const match = new RegExp(`"input":"${name}","where":"([^"]+)"`).exec(service.logs());
    expect(match).not.toBeNull();
    return match?.[1] ?? '';
  });
}

describe('an input of type tcp', () => {
  it('stores lines in their order, puts invalid ones aside, and goes on', async () => {
    service = await startWithInputs(['{name: lines, type: tcp, addr: "127.0.0.1:0"}']);
    const [host, port] = (await whereOf('lines')).split(':');
    const socket = connect({ host: host ?? '', port: Number(port) });
    await once(socket, 'connect');
    for (let i = 0; i < 1_000; i++) socket.write(i === 500 ? 'no JSON\n' : line(i));
    socket.end();
    await once(socket, 'close');
    await eventually(async () => expect(await readRecords(service.dirs, 'events')).toHaveLength(999));
    const messages = (await readRecords(service.dirs, 'events')).map(({ message }) => message);
    expect(messages).toEqual(Array.from({ length: 1_000 }, (_, i) => `m${i}`).filter((one) => one !== 'm500'));
    expect((await readMetric(service, 'logforge_records_total')).get('{outcome="dead_lettered"}')).toBe(1);
    expect((await readMetric(service, 'logforge_input_records_total')).get('{input="lines"}')).toBe(1_000);
    expect((await readMetric(service, 'logforge_records_unaccounted')).get('')).toBe(0);
    expect(await service.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('an input of type unixsock', () => {
  it('listens on a socket of its owner alone, and removes it at the stop', async () => {
    service = await startWithInputs(['{name: local, type: unixsock, path: ./in.sock}']);
    const path = join(service.dirs.root, 'in.sock');
    await whereOf('local');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const socket = connect({ path });
    socket.end(line(1) + line(2).trimEnd());
    await once(socket, 'close');
    await eventually(async () => expect(await readRecords(service.dirs, 'events')).toHaveLength(2));
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });
});
