import { describe, expect, it } from 'vitest';
import { main } from './main.ts';
import { createTestIo } from './test-io.case.ts';

/* test/e2e/listen.test.ts runs it as a process. */

describe('logforge listen', () => {
  it.each([
    [[], 2, 'expected one of unixsock, tcp, unixgram, udp, fifo, stdin'],
    [['pipe'], 2, 'got "pipe"'],
    [['tcp', 'udp'], 2, 'unexpected argument "udp"'],
    [['tcp', '--path', 'x'], 2, '--path is not for tcp'],
    [['stdin', '--addr', ':1'], 2, '--addr is not for stdin'],
    [['udp', '--addr', 'x'], 2, '--addr must be an address such as 127.0.0.1:9000'],
    [['fifo', '--out', '.'], 1, 'cannot open path=.: EISDIR'],
  ])('does not start with %j', async (args, code, text) => {
    const { io, stderr } = createTestIo();
    expect(await main(['listen', ...args], io)).toBe(code);
    expect(stderr()).toContain(text);
  });
});
