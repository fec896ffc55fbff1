import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { DAY } from '../support/batch-maker.ts';
import type { Client } from '../support/client.ts';
import { createRandom } from '../support/random.ts';
import { createSentBatches } from '../support/sent-batches.ts';
import { type Exit, makeDirs, removeDirs } from '../support/service.ts';
import { createWorkload } from '../support/workload.ts';
import { type QueriesSeen, queryUntilEnd } from './housekeeping.ts';
import { judgeAccounting, judgeEnd, judgeLog } from './process-checks.ts';
import { createStoreCheck } from './store-check.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** A client of a service that acknowledges everything. */
const accepting: Client = {
  async post(_body, _headers) {
    return { status: 202, headers: {}, body: '' };
  },
  get: async () => ({ status: 200, headers: {}, body: '' }),
  close: () => undefined,
};

/** Two batches that one connection sent and that were acknowledged, and their lines by hour as they should be stored. */
async function storeTwoBatches() {
  const dirs = await makeDirs('logforge-checks-');
  cleanups.push(() => removeDirs(dirs));
  const sent = createSentBatches();
  const workload = createWorkload(createRandom(4), sent);
  let sendings = 0;
  await workload.run(accepting, { clients: 1, isOver: () => sendings++ >= 2 });
  const hours = new Map<string, string[]>();
  for (let batch = 0; batch < 2; batch++) {
    for (let index = 0; ; index++) {
      const line = workload.compare('', batch, index);
      if (line === true || line === 'nothing') break;
      const hour = line.slice(25, 27);
      hours.set(hour, [...(hours.get(hour) ?? []), line]);
    }
  }
  /** The hour with lines of both batches. */
  const shared = [...hours.values()].find((lines) => ownersOf(lines).size === 2) ?? [];
  /** `cutBytes`: from the end of the shared hour; `isOurs`: by a fault, which allows it. */
  const check = async ({ cutBytes = 0, isOurs = true } = {}): Promise<string[]> => {
    const folder = join(dirs.logs, '2015-05-17');
    await mkdir(folder, { recursive: true });
    for (const [hour, lines] of hours) {
      const text = lines.map((line) => `${line}\n`).join('');
      await writeFile(join(folder, `${hour}.log.json`), text.slice(0, text.length - (lines === shared ? cutBytes : 0)));
    }
    const store = createStoreCheck({ dirs, sent, workload, keepsOrder: true });
    if (cutBytes > 0 && isOurs) store.allowDamage(shared.slice(-1));
    return store.readNew();
  };
  return { hours, shared, check, sent, workload };
}

function ownersOf(lines: readonly string[]): Set<string> {
  return new Set(lines.map((line) => /"b":"?(\d+)/.exec(line)?.[1] ?? ''));
}

describe('the check of the store', () => {
  it('is content with what was acknowledged', async () => {
    const { check, shared } = await storeTwoBatches();
    expect(shared.length).toBeGreaterThan(3);
    expect(await check()).toEqual([]);
  });

  it.each([
    ['a lost record', (lines: string[]) => lines.splice(1, 1), 'the others are not'],
    ['a doubled record', (lines: string[]) => lines.splice(1, 0, lines[1] ?? ''), 'is stored 2 times'],
    [
      'records of a batch in another order',
      (lines: string[]) => lines.splice(0, 2, lines[1] ?? '', lines[0] ?? ''),
      'stands after record',
    ],
    [
      'batches of a connection in another order',
      (lines: string[]) => lines.reverse().sort((a, b) => placeOf(a) - placeOf(b)),
      'stands after a batch that its connection sent later',
    ],
    [
      'a changed byte',
      (lines: string[]) => lines.splice(1, 1, (lines[1] ?? '').replace('/page/', '/Page/')),
      'and should be',
    ],
    [
      'another form of a number',
      (lines: string[]) => lines.splice(1, 1, (lines[1] ?? '').replace(/"i":"?(\d+)"?/, '"i":$1.0')),
      'never sent',
    ],
    [
      'a record that was never sent',
      (lines: string[]) => lines.push('{"timestamp":"2015-05-17T00:00:00Z","path":"/","userAgent":"a","b":77,"i":0}'),
      'nothing',
    ],
    ['a line that is not a record', (lines: string[]) => lines.push('half'), 'never sent'],
  ])('finds %s', async (_, change, problem) => {
    const { check, shared } = await storeTwoBatches();
    change(shared);
    expect((await check()).join('\n')).toContain(problem);
  });

  it('bears half a line where a fault cut off the tail, and reads all other files', async () => {
    const cut = await storeTwoBatches();
    expect(await cut.check({ cutBytes: 5 })).toEqual([]);
    const found = await cut.check({ cutBytes: 5, isOurs: false });
    expect(found[0]).toContain('ends in half a line');
    expect(found.slice(1).every((problem) => problem.includes('batch'))).toBe(true);
  });

  it('finds a batch that is missing, a record in the file of another hour, and a refused batch', async () => {
    const missing = await storeTwoBatches();
    for (const lines of missing.hours.values())
      lines.splice(0, lines.length, ...lines.filter((line) => placeOf(line) >= 10_000));
    expect((await missing.check()).join('\n')).toContain('was acknowledged and is not stored');

    const moved = await storeTwoBatches();
    const [from, to] = [...moved.hours.values()];
    to?.push(from?.pop() ?? '');
    expect((await moved.check()).join('\n')).toContain('a record stands in the file of hour');

    const { check, workload } = await storeTwoBatches();
    const sending = workload.make({ keyed: false });
    workload.answered(sending, { status: 400, headers: {}, body: '{"title":"no"}' });
    expect(await check()).toEqual([]);
    expect(workload.takeProblems().join()).toContain('was answered 400');
  });
});

/** Batch 1 before batch 0, and within a batch as it is. */
function placeOf(line: string): number {
  const match = /"b":"?(\d+)"?,"i":"?(\d+)/.exec(line);
  return (1 - Number(match?.[1])) * 10_000 + Number(match?.[2]);
}

describe('the check of the store with several streams', () => {
  /** One acknowledged batch of events: its lines by hour. */
  async function storeEvents() {
    const dirs = await makeDirs('logforge-checks-');
    cleanups.push(() => removeDirs(dirs));
    const sent = createSentBatches();
    const workload = createWorkload(createRandom(4), sent, { streams: ['events', 'events'] });
    const sending = workload.make({ keyed: false });
    workload.answered(sending, { status: 202, headers: {}, body: '' });
    /** Writes the lines to the folder of this stream, and a dead letter in the place of the last one. */
    const check = async (folder: string, letterOf?: string): Promise<string[]> => {
      const lines: string[] = [];
      for (let line = workload.compare('', 0, 0); line !== 'nothing'; line = workload.compare('', 0, lines.length))
        lines.push(String(line));
      const put = letterOf === undefined ? undefined : lines.pop();
      await mkdir(join(dirs.logs, folder, DAY), { recursive: true });
      for (const hour of new Set(lines.map((line) => line.slice(25, 27)))) {
        const ofHour = lines.filter((line) => line.slice(25, 27) === hour).map((line) => `${line}\n`);
        await writeFile(join(dirs.logs, folder, DAY, `${hour}.log.json`), ofHour.join(''));
      }
      const letter = { stream: letterOf, record: JSON.parse(put ?? 'null') as unknown };
      if (put !== undefined) await writeFile(join(dirs.dlq, '2025-11-22.ndjson'), `${JSON.stringify(letter)}\n`);
      return createStoreCheck({ dirs, sent, workload, keepsOrder: true }).readNew();
    };
    return { check, sending };
  }

  it('finds lines in the folder of another stream, and a dead letter that names another', async () => {
    const { check, sending } = await storeEvents();
    expect(sending.path).toBe('/logs/events');
    expect(await check('events')).toEqual([]);
    expect((await (await storeEvents()).check('')).join()).toContain('was sent to events stands in the file of access');
    expect((await (await storeEvents()).check('audit')).join()).toContain('stands in the file of audit');
    expect((await (await storeEvents()).check('events', 'audit')).join()).toContain('names the stream audit');
    expect(await (await storeEvents()).check('events', 'events')).toEqual([]);
  });
});

describe('the judgement of a process', () => {
  const metrics = (stored: number, received = 10, unaccounted = 0) =>
    [
      'logforge_records_in_flight 0',
      `logforge_records_unaccounted ${unaccounted}`,
      `logforge_records_received_total ${received}`,
      `logforge_records_total{outcome="stored"} ${stored}`,
      'logforge_records_total{outcome="duplicate"} 3',
    ].join('\n');
  const tally = {
    ...{ stored: 7, deadLettered: 0, rejected: 0, duplicate: 3, unknown: 0, latencies: [], others: new Map() },
  };

  it('finds figures that do not balance, or differ from the answers', () => {
    expect(judgeAccounting(metrics(7), tally)).toEqual([]);
    expect(judgeAccounting(metrics(8, 11), tally)).toEqual(['8 records are counted as stored; the answers say 7']);
    expect(judgeAccounting(metrics(8, 11), { ...tally, unknown: 1 })).toEqual([]);
    expect(judgeAccounting(metrics(7, 11), undefined)).toEqual(['11 records were received, and 10 have an outcome']);
    expect(judgeAccounting(metrics(7, 10, 1), undefined)).toEqual(['logforge_records_unaccounted is 1']);
    expect(() => judgeAccounting('logforge_records_in_flight 2', undefined)).toThrow('2 records stay in flight');
  });

  it('finds errors in a log, and text that no logger wrote', () => {
    const line = '{"level":"error","msg":"cannot store a batch"}\n';
    expect(judgeLog('{"level":"info","msg":"listening"}\n', [])).toEqual([]);
    expect(judgeLog(line, [])).toHaveLength(1);
    expect(judgeLog(line, [/cannot store/])).toEqual([]);
    expect(judgeLog('Error: at x.ts\n', [/./])).toHaveLength(1);
  });

  it('knows how a process may end', () => {
    const end = (signal: NodeJS.Signals | undefined, code: number | null, milliseconds = 5) => ({
      ...{ node: 'service' as const, signal, exit: { code, signal: null }, milliseconds, lastWords: '' },
    });
    expect(judgeEnd(end('SIGTERM', 0), [])).toBeUndefined();
    expect(judgeEnd(end('SIGKILL', null), [])).toBeUndefined();
    expect(judgeEnd(end('SIGTERM', 143), [{ code: 143, signal: null }])).toBeUndefined();
    expect(judgeEnd(end('SIGTERM', 1), [])).toContain('ended with 1 after SIGTERM');
    expect(judgeEnd(end('SIGTERM', 0, 60_000), [])).toContain('took 60000 ms');
    expect(judgeEnd(end(undefined, 0), [])).toContain('ended by itself');
  });
});

describe('the queries beside the load', () => {
  const refuse =
    (status: number, kind: string): RequestListener =>
    (_, response) =>
      void response.writeHead(status).end(JSON.stringify({ type: `/problems/${kind}` }));
  const answer =
    (text: string): RequestListener =>
    (_, response) =>
      void response.end(text);

  /** Ends after the last of these answers. */
  async function seeQueries(answers: readonly RequestListener[], mayFail = false): Promise<QueriesSeen> {
    const { promise: exited, resolve: exit } = Promise.withResolvers<Exit>();
    let asked = 0;
    const server = createServer((request, response) => {
      answers[asked++]?.(request, response);
      if (asked === answers.length) exit({ code: 0, signal: null });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const seen: QueriesSeen = { whole: 0, problems: [] };
    await queryUntilEnd({ url: `http://127.0.0.1:${port}`, exited }, seen, { mayFail, pauseMs: 1 });
    server.closeAllConnections();
    server.close();
    return seen;
  }

  const whole = answer('{}\n');
  const broken: RequestListener = (_, response) => void response.writeHead(200).write('{}\n', () => response.destroy());

  it('count whole answers, and those with no record', async () => {
    expect(await seeQueries([whole, answer('')])).toEqual({ whole: 2, problems: [] });
  });

  it('may be refused by a service that is busy or stops, and are not counted then', async () => {
    expect(await seeQueries([refuse(503, 'overloaded'), refuse(503, 'draining')])).toEqual({ whole: 0, problems: [] });
    expect(await seeQueries([whole, broken])).toEqual({ whole: 1, problems: [] });
  });

  it.each([
    ['is refused without need', [refuse(503, 'unavailable')], 'was answered 503 /problems/unavailable'],
    ['is answered 500', [refuse(500, 'x')], 'was answered 500'],
    ['ends in half a line', [answer('{}\n{')], 'ended in half a line'],
    ['breaks off while the service goes on', [broken, whole], 'an answer broke off, and the service goes on'],
  ])('find an answer that %s', async (_, answers, problem) => {
    expect((await seeQueries(answers)).problems.join()).toContain(problem);
  });

  it('may fail where a fault holds up the reads', async () => {
    expect((await seeQueries([refuse(503, 'unavailable'), broken, whole], true)).problems).toEqual([]);
  });
});
