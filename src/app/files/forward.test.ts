import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startScriptedService } from '../../outputs/http/scripted-service.case.ts';
import { type ForwardOptions, startForwarder } from './forward.ts';

async function setUp(): Promise<ForwardOptions> {
  const folder = mkdtempSync(join(tmpdir(), 'forward-'));
  const service = await startScriptedService();
  onTestFinished(async () => {
    await service.close();
    rmSync(folder, { recursive: true });
  });
  writeFileSync(join(folder, 'app.log'), '192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n');
  return {
    url: service.url,
    protocol: 'logs',
    patterns: [join(folder, '*')],
    stream: 'access',
    readAs: { format: undefined, zone: 0, fields: 'all' },
    from: 'start',
    compression: 'none',
    host: 'web-1',
    checkpoint: join(folder, 'state'),
    rejects: join(folder, 'rejects'),
    deadLetters: join(folder, 'dead'),
    maxInFlightBytes: 1024 * 1024,
    addr: undefined,
    report: { notify: () => undefined },
  };
}

it('closes the checkpoint again when its address is taken or its files cannot be opened', async () => {
  const options = await setUp();
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  onTestFinished(() => void other.close());
  const taken = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  await expect(startForwarder({ ...options, addr: taken })).rejects.toThrow('cannot listen on');
  await expect(startForwarder({ ...options, deadLetters: tmpdir() })).rejects.toThrow('cannot open path=');

  // Nobody has the checkpoint any more, so a third one starts.
  const forwarder = await startForwarder(options);
  expect(await forwarder.stop(5_000)).toBe(true);
  expect(forwarder.counts()).toMatchObject({ sent: 1, files: 1 });
  expect(readFileSync(options.rejects, 'utf8')).toBe('');
});
