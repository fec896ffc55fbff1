import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { reply, type ScriptedService, startScriptedService } from '../../outputs/http/scripted-service.case.ts';
import { createServiceSender } from '../../outputs/http/service-sender.ts';
import { createHttpSender } from './http-sender.ts';

let service: ScriptedService;

beforeEach(async () => {
  service = await startScriptedService();
});
afterEach(() => service.close());

const batch = { bytes: Buffer.from('a\nb\n'), records: 2, ends: Uint32Array.of(2, 4) };

async function send(retries: number) {
  const sender = createServiceSender({
    url: service.url,
    connections: 1,
    retries,
    notify: () => {},
    wait: async () => {},
  });
  const http = createHttpSender({ sender, stream: 'access', contentType: 'application/x-ndjson' });
  const outcome = await http.send(batch);
  await http.close();
  return outcome;
}

describe('a batch over HTTP', () => {
  it('is sent when the service has accepted it, at whatever attempt', async () => {
    service.replyNext((_received, response) => void response.destroy());
    expect(await send(1)).toMatchObject({ sent: 2, failed: 0, unsure: 0, bytes: 4 });
  });

  it('is unsure when the last word on it was lost', async () => {
    service.replyNext((_received, response) => void response.destroy());
    expect(await send(0)).toMatchObject({ sent: 0, failed: 0, unsure: 2, problem: expect.stringContaining('gave up') });
  });

  it('has failed when the service said that it did not store it, or refuses records', async () => {
    service.replyNext(reply(503), reply(413, 'no'), reply(202, '{"accepted":1,"rejected":1}'));
    expect(await send(0)).toMatchObject({ sent: 0, failed: 2, unsure: 0 });
    expect(await send(0)).toMatchObject({ sent: 0, failed: 2, unsure: 0 });
    expect(await send(0)).toMatchObject({ sent: 1, failed: 1, unsure: 0 });
  });
});
