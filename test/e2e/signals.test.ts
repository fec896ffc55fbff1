import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { removeDirs, type Service, startService } from '../support/service.ts';
import { eventually } from '../support/storage.ts';

const DEBUGGER_PORT = 9229;
let service: Service | undefined;

afterEach(async () => {
  await service?.stop('SIGKILL');
  if (service !== undefined) await removeDirs(service.dirs);
});

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('connect', () => socket.destroy());
    socket.on('error', () => resolve(false));
    socket.on('close', (hadError) => resolve(!hadError));
  });
}

describe('a running service', () => {
  it('lives on after SIGUSR1, SIGUSR2 and SIGHUP, opens no debugger, and says what SIGHUP does', async () => {
    const wasListening = await isListening(DEBUGGER_PORT);
    service = await startService({ env: { LOGFORGE_SERVER_THREADS: '2' } });
    for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGHUP', 'SIGUSR1'] as const) service.signal(signal);
    await eventually(() => {
      const said = service?.logs().match(/this signal does nothing/g) ?? [];
      expect(said).toHaveLength(2);
    });
    expect((await fetch(`${service.url}/health`)).status).toBe(200);
    expect(service.logs()).not.toContain('Debugger');
    expect(await isListening(DEBUGGER_PORT)).toBe(wasListening);
    expect(await service.stop()).toEqual({ code: 0, signal: null });
  });
});
