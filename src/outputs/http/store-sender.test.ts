import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { escapeBytes } from '../../decode/text/escape-bytes.ts';
import { problem, type Reply, reply, type ScriptedService, startScriptedService } from './scripted-service.case.ts';
import { createStoreSender } from './store-sender.ts';

interface Line {
  readonly uuid: string;
  readonly host: string;
  readonly file: string;
  readonly 'line-num': number;
  readonly content: string;
  readonly generation?: string;
}

/** Lines by their number. */
let lines: Map<number, Line>;
let service: ScriptedService;
/** The type of the problem. */
let kind: string;
let isWrong: (batch: readonly Line[], bytes: number) => number;
let sender: ReturnType<typeof createStoreSender>;
const said: string[] = [];

const store: Reply = ({ body }, response) => {
  const { batch, size } = JSON.parse(body.toString()) as { batch: Line[]; size: number };
  const status = size === batch.length ? isWrong(batch, body.length) : 422;
  if (status === 200) for (const line of batch) lines.set(line['line-num'], line);
  if (status === 200) reply(200)({} as never, response);
  else problem(status, kind)({} as never, response);
};

beforeEach(async () => {
  lines = new Map();
  kind = 'invalid-lines';
  isWrong = () => 200;
  said.length = 0;
  service = await startScriptedService(store);
  sender = createStoreSender({
    url: service.url,
    connections: 1,
    retries: 3,
    notify: (message) => void said.push(message),
    wait: async () => {},
    escapeBytes,
  });
});
afterEach(async () => {
  sender.close();
  await service.close();
});

const about = { host: 'web-1', file: '/var/log/a "b"\n.log', generation: 'g1', number: 7 };
const contents = () => [...lines].sort(([a], [b]) => a - b).map(([, { content }]) => content);

describe('lines', () => {
  it('are posted in the form of the protocol, byte for byte, with their numbers', async () => {
    const bytes = Buffer.from([...Buffer.from('a\r\n\nü\t"\n'), 0xff, 0x62, 10, ...Buffer.from('last')]);
    expect(await sender.send({ ...about, bytes })).toEqual({ stored: 5, refused: [] });
    expect(contents()).toEqual(['a\r', '', 'ü\t"', '\\xffb', 'last']);
    const uuid = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    const { host, file, generation } = about;
    expect(lines.get(7)).toEqual({ uuid, host, file, generation, 'line-num': 7, content: 'a\r' });
    expect(new Set([...lines.values()].map((line) => line.uuid)).size).toBe(5);
    expect(service.requests[0]).toMatchObject({ url: '/store/batch', headers: { 'content-type': 'application/json' } });
  });

  it('name no generation where none is given', async () => {
    await sender.send({ ...about, generation: undefined, bytes: Buffer.from('a\n') });
    expect(lines.get(7)).not.toHaveProperty('generation');
  });

  it('go in bodies of bounded size', async () => {
    const bytes = Buffer.from('x\n'.repeat(40_000));
    expect(await sender.send({ ...about, bytes })).toEqual({ stored: 40_000, refused: [] });
    expect(lines.size).toBe(40_000);
    expect(service.requests.length).toBeGreaterThan(2);
    for (const { body } of service.requests) expect(body.length).toBeLessThan(2_200_000);
  });

  it('are sent again while the store is busy', async () => {
    service.replyNext(reply(503), (_received, response) => void response.destroy());
    expect(await sender.send({ ...about, bytes: Buffer.from('a\n') })).toEqual({ stored: 1, refused: [] });
    expect(service.requests).toHaveLength(3);
    expect(said).toEqual([expect.stringContaining('the service answered 503; next attempt in ')]);
  });
});

describe('a batch that the store refuses', () => {
  it.each([400, 413, 422])('is halved until the line at fault stands alone (%i)', async (status) => {
    isWrong = (batch) => (batch.some(({ content }) => content === 'bad') ? status : 200);
    const bytes = Buffer.from(Array.from({ length: 100 }, (_, i) => (i === 41 ? 'bad\n' : `${i}\n`)).join(''));
    const refused = [{ number: 48, bytes: Buffer.from('bad'), reason: 'because invalid-lines' }];
    expect(await sender.send({ ...about, bytes })).toEqual({ stored: 99, refused });
    expect(lines.size).toBe(99);
    expect(service.requests.length).toBeLessThan(20);
  });

  it('by a stranger who answers 400 to whatever comes ends it', async () => {
    kind = 'about:blank';
    isWrong = () => 400;
    await expect(sender.send({ ...about, bytes: Buffer.from('a\nb\n') })).rejects.toMatchObject({ status: 400 });
    expect(service.requests).toHaveLength(1);
  });

  it('is halved until it fits', async () => {
    isWrong = (_batch, bytes) => (bytes > 1_000 ? 413 : 200);
    expect(await sender.send({ ...about, bytes: Buffer.from('a\n'.repeat(50)) })).toEqual({ stored: 50, refused: [] });
    expect(lines.size).toBe(50);
  });

  it('for a reason that concerns every batch ends it', async () => {
    service.replyNext(problem(401, 'unauthorized'));
    await expect(sender.send({ ...about, bytes: Buffer.from('a\n') })).rejects.toMatchObject({ status: 401 });
    service.replyNext(reply(202, 'queued'));
    await expect(sender.send({ ...about, bytes: Buffer.from('a\n') })).rejects.toThrow('cannot read the answer');
    expect(lines.size).toBe(0);
  });
});
