import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RefusedError } from '../outputs/outputs.ts';
import { EXIT, UsageError } from './command.ts';
import { replay } from './replay.ts';

interface Received {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly lines: string[];
}

type Answer = (request: Received, response: ServerResponse) => void;

/** A service of three lines: remembers every request, answers as told, repeats by key. */
async function createFakeService() {
  const requests: Received[] = [];
  const stored = new Map<string, Received>();
  const next: Answer[] = [];

  const accept: Answer = (request, response) => {
    const key = String(request.headers['idempotency-key']);
    const isKnown = stored.has(key);
    if (!isKnown) stored.set(key, request);
    response.writeHead(202, isKnown ? { 'Idempotency-Replayed': 'true' } : {});
    response.end(JSON.stringify({ accepted: request.lines.length }));
  };
  const server = createServer((message, response) => {
    void buffer(message).then((body) => {
      const received = {
        url: message.url ?? '',
        headers: message.headers,
        lines: body.toString().trimEnd().split('\n'),
      };
      requests.push(received);
      (next.shift() ?? accept)(received, response);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    /** Of every record that was stored, in order. */
    stored: () => [...stored.values()].flatMap(({ lines }) => lines.map((line) => JSON.parse(line) as Stored)),
    answerNext: (...answers: Answer[]) => void next.push(...answers),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

interface Stored {
  readonly timestamp: string;
  readonly path: string;
  readonly userAgent: string;
}

let folder: string;
let service: Awaited<ReturnType<typeof createFakeService>>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'logforge-replay-'));
  service = await createFakeService();
});
afterEach(async () => {
  await service.close();
  await rm(folder, { recursive: true, force: true });
});

async function write(name: string, content: string | Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

function collect() {
  const parts: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      parts.push(String(chunk));
      done();
    },
  });
  return { stream, text: () => parts.join('') };
}

async function run(
  args: readonly string[],
  input: { stdin?: string; env?: Record<string, string>; tty?: boolean } = {},
) {
  const { stdin = '', env = {}, tty = false } = input;
  const out = collect();
  const err = collect();
  const io = {
    stdout: out.stream,
    stderr: Object.assign(err.stream, { isTTY: tty, columns: 80 }),
    stdin: Readable.from([Buffer.from(stdin)], { objectMode: false }),
    env,
  };
  let status: number | undefined;
  let error: unknown;
  try {
    status = await replay.run(['--url', service.url, ...args], io);
  } catch (thrown) {
    error = thrown;
  }
  return { status, error, stdout: out.text(), stderr: err.text() };
}

function accessLine(i: number): string {
  return `10.0.0.1 - - [17/May/2015:10:05:${String(i % 60).padStart(2, '0')} +0000] "GET /page/${i} HTTP/1.1" 200 12 "-" "curl/8"`;
}

function accessLog(count: number, from = 0): string {
  return Array.from({ length: count }, (_, i) => `${accessLine(from + i)}\n`).join('');
}

function jsonRecord(i: number): string {
  return JSON.stringify({
    timestamp: `2015-05-17T10:05:${String(i % 60).padStart(2, '0')}Z`,
    path: `/page/${i}`,
    userAgent: 'a',
  });
}

function paths(): string[] {
  return service.stored().map(({ path }) => path);
}

function pages(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `/page/${i}`);
}

describe('what is sent', () => {
  it('sends an access log in batches and says so in one line', async () => {
    const log = await write('access.log', accessLog(25));
    const { status, stdout } = await run(['--batch', '10', log]);
    expect(status).toBe(EXIT.ok);
    expect(service.requests.map(({ lines }) => lines.length)).toEqual([10, 10, 5]);
    expect(service.requests[0]?.lines[0]).toBe(
      '{"timestamp":"2015-05-17T10:05:00Z","path":"/page/0","userAgent":"curl/8","client":"10.0.0.1","method":"GET","protocol":"HTTP/1.1","status":200,"bytes":12}',
    );
    expect(paths()).toEqual(pages(25));
    expect(stdout).toMatch(
      /^replayed 25 records in 3 batches, 0 lines unreadable, 0 duplicates, \d+\.\d s, [\d,]+ records\/s\n$/,
    );
  });

  it('counts and lists the lines that cannot be read, and sends the others', async () => {
    const log = await write('access.log', `${accessLog(2)}junk\n\n${accessLine(2)}\n10.0.0.1 - "\n`);
    const { status, stdout, stderr } = await run(['--max-rejects', '40%', log]);
    expect(status).toBe(EXIT.ok);
    expect(stdout).toContain('replayed 3 records in 1 batch, 2 lines unreadable (3, 6), 0 duplicates');
    expect(stderr).toContain('cannot read line 3: ');
  });

  it('fails when more than a tenth of the lines cannot be read, and says so', async () => {
    const log = await write('access.log', `${accessLog(8)}junk\n`);
    const { status, stdout, stderr } = await run([log]);
    expect([status, stderr]).toEqual([EXIT.failure, expect.stringContaining('11.1 % of the lines were not stored')]);
    expect(stdout).toContain('replayed 8 records');
    expect((await run([await write('access.log', `${accessLog(9)}junk\n`)])).status).toBe(EXIT.ok);
  });

  it('keeps the lines that cannot be read in the file of rejects', async () => {
    const log = await write('access.log', `${accessLog(20)}junk\n`);
    const rejects = join(folder, 'rejects.ndjson');
    await run(['--rejects', rejects, log]);
    const [line] = (await readFile(rejects, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text) as unknown);
    expect(line).toMatchObject({ file: log, number: 21, line: 'junk' });
  });

  it('bounds the list of numbers and reasons but counts them all', async () => {
    const log = await write('access.log', accessLog(1) + 'junk\n'.repeat(5000));
    const { stdout, stderr } = await run(['--format', 'combined', log]);
    expect(stdout).toContain('5,000 lines unreadable (2, 3, 4, ');
    expect(stdout).toContain(', 21, …)');
    expect(stderr.split('\n').length).toBeLessThan(30);
  });

  it('names the file with each number when there are several', async () => {
    const one = await write('one.log', `${accessLog(1)}junk\n`);
    const two = await write('two.log', `junk\n${accessLog(1, 1)}`);
    const { stdout } = await run(['--format', 'combined', one, two]);
    expect(stdout).toContain(`replayed 2 records in 2 batches, 2 lines unreadable (${one}:2, ${two}:1)`);
  });

  it('fails when there is nothing in the file that it can read', async () => {
    const { status, stdout } = await run([await write('access.log', 'junk\njunk\n')]);
    expect(status).toBe(EXIT.failure);
    expect(stdout).toContain('replayed 0 records in 0 batches, 2 lines unreadable (1, 2)');
  });

  it('has nothing to do for an empty file', async () => {
    const { status, stdout } = await run([await write('access.log', '')]);
    expect(status).toBe(EXIT.ok);
    expect(stdout).toContain('replayed 0 records in 0 batches');
    expect(service.requests).toEqual([]);
  });

  it('sends a block of the file at once', async () => {
    const line = (i: number) =>
      JSON.stringify({ timestamp: '2015-05-17T10:00:00Z', path: `/${i}`, userAgent: 'x'.repeat(1_000_000) });
    const log = await write('big.ndjson', Array.from({ length: 10 }, (_, i) => `${line(i)}\n`).join(''));
    await run([log]);
    expect(service.requests.map(({ lines }) => lines.length)).toEqual(Array(10).fill(1));
  });
});

describe('formats', () => {
  const csvRow = (i: number) => `"/page/${i}",2015-05-17T10:05:00Z,"a\nb"\n`;

  it.each([
    ['access.log', accessLog(25)],
    ['crlf.log', accessLog(25).replaceAll('\n', '\r\n')],
    ['marked.log', `\ufeff${accessLog(25)}`],
    ['records.ndjson', Array.from({ length: 25 }, (_, i) => `${jsonRecord(i)}\n`).join('')],
    ['10.log.json', Array.from({ length: 25 }, (_, i) => jsonRecord(i)).join('\n')],
    ['records.json', `\ufeff[${Array.from({ length: 25 }, (_, i) => jsonRecord(i)).join(',')}]`],
    [
      'pretty.json',
      JSON.stringify(
        Array.from({ length: 25 }, (_, i) => JSON.parse(jsonRecord(i))),
        undefined,
        2,
      ),
    ],
    ['records.csv', `\ufeffpath,timestamp,userAgent\n${Array.from({ length: 25 }, (_, i) => csvRow(i)).join('')}`],
    ['header.txt', `path,"timestamp",userAgent\r\n${Array.from({ length: 25 }, (_, i) => csvRow(i)).join('')}`],
    ['bare.csv', Array.from({ length: 25 }, (_, i) => `2015-05-17T10:05:00Z,/page/${i},a\r\n`).join('')],
  ])('reads %s without being told what it is, packed or from a pipe too', async (name, content) => {
    await run(['--batch', '7', await write(name, content)]);
    expect(paths()).toEqual(pages(25));
    const packed = await run(['--batch', '7', await write('packed', gzipSync(content))]);
    expect(packed.stdout).toContain('replayed 25 records in 4 batches, 0 ');
    const piped = await run(['--batch', '7', '-'], { stdin: content });
    expect(piped.stdout).toContain('replayed 25 records in 4 batches, 0 ');
    expect(paths()).toEqual([...pages(25), ...pages(25), ...pages(25)]);
  });

  it('keeps extra fields as they came', async () => {
    const line = '{"timestamp":"2015-05-17T10:00:00Z","path":"/","userAgent":"a","id":12345678901234567890,"x":1.0}';
    await run([await write('a.ndjson', `${line}\n`)]);
    expect(service.requests[0]?.lines).toEqual([line]);
  });

  it('numbers the elements of a JSON array and the rows of CSV in what it cannot read', async () => {
    const json = await run([await write('a.json', `[${jsonRecord(0)},{"path":1},\n${jsonRecord(1)},{"a":]`)]);
    expect(json.stderr).toContain('the JSON array does not end');
    expect(json.status).toBe(EXIT.failure);
    const whole = await run([await write('b.json', `[${jsonRecord(0)},{"path":1},\n{"a":},${jsonRecord(1)}]`)]);
    expect(whole.stdout).toContain('replayed 2 records in 1 batch, 2 records unreadable (2, 3)');
    const csv = await run([await write('a.csv', 'timestamp,path,userAgent\nx,/,a\n2015-05-17T10:00:00Z,/,b\n1,2\n')]);
    expect(csv.stdout).toContain('replayed 1 record in 1 batch, 2 rows unreadable (2, 4)');
    expect(csv.stderr).toContain('cannot read row 2: invalid timestamp "x"');
  });

  it('reads the rows around one whose quotes are wrong', async () => {
    const rows = ['2015-05-17T10:00:00Z,/a,b', '2015-05-17T10:00:00Z,/b "c",d', '2015-05-17T10:00:00Z,/c,d'];
    const { stdout } = await run([await write('a.csv', `${rows.join('\n')}\n`)]);
    expect(stdout).toContain('replayed 2 records in 1 batch, 1 row unreadable (2)');
    expect(paths()).toEqual(['/a', '/c']);
  });

  it('leaves out a line that is not UTF-8', async () => {
    const bytes = Buffer.concat([
      Buffer.from(`${jsonRecord(0)}\n{"a":"`),
      Buffer.from([0xff]),
      Buffer.from(`"}\n${jsonRecord(1)}\n`),
    ]);
    const { stdout, stderr } = await run([await write('a.ndjson', bytes)]);
    expect(stdout).toContain('replayed 2 records in 1 batch, 1 line unreadable (2)');
    expect(stderr).toContain('has no known fields; it has: a');
  });
});

describe('sending again', () => {
  it('gives the batches of a file the same keys each time, and those of another file others', async () => {
    const log = await write('access.log', accessLog(20));
    await run(['--batch', '10', log]);
    const again = await run(['--batch', '10', log]);
    expect(again.stdout).toContain('replayed 20 records in 2 batches, 0 lines unreadable, 20 duplicates');
    await run(['--batch', '10', await write('equal.log', accessLog(20))]);
    expect(service.stored().length).toBe(40);
    await run(['--batch', '10', '--source', 'another-host', log]);
    expect(service.stored().length).toBe(60);
    await run(['--batch', '10', await write('access.log', accessLog(20, 1))]);
    expect(service.stored().length).toBe(80);
  });

  it('knows a file again that was renamed, compressed or has grown, by its checkpoint', async () => {
    const log = await write('access.log', accessLog(20));
    const args = ['--checkpoint', join(folder, 'checkpoint')];
    await run([...args, '--batch', '10', log]);
    await appendFile(log, accessLog(5, 20));
    await rename(log, `${log}.1`);
    expect((await run([...args, '--batch', '3', `${log}.1`])).stdout).toContain('replayed 5 records');
    await writeFile(`${log}.2.gz`, gzipSync(await readFile(`${log}.1`)));
    await rm(`${log}.1`);
    expect((await run([...args, `${log}.2.gz`])).stdout).toContain('replayed 0 records');
    expect(paths()).toEqual(pages(25));
  });

  it('lets an unfinished last line wait for its end', async () => {
    const log = await write('access.log', accessLog(2).slice(0, -30));
    const args = ['--checkpoint', join(folder, 'checkpoint'), log];
    expect((await run(args)).stdout).toContain('replayed 1 record');
    await writeFile(log, accessLog(2));
    expect((await run(args)).stdout).toContain('replayed 1 record in 1 batch, 0 lines unreadable');
    expect(paths()).toEqual(pages(2));
  });

  it('does not take two equal batches of one file for one', async () => {
    await run(['--batch', '10', await write('access.log', accessLog(10) + accessLog(10))]);
    expect(service.stored().length).toBe(20);
  });

  it('goes on where the checkpoint says, and with what was added since', async () => {
    const log = await write('access.log', accessLog(25));
    const checkpoint = join(folder, 'checkpoint.json');
    service.answerNext(
      (request, response) => response.writeHead(202).end(JSON.stringify({ accepted: request.lines.length })),
      (_request, response) => response.writeHead(401).end('{"detail":"no key"}'),
    );
    const first = await run(['--batch', '10', '--checkpoint', checkpoint, log]);
    expect(first.error).toBeInstanceOf(RefusedError);
    expect(first.stdout).toContain('replayed 10 records in 1 batch');

    const second = await run(['--batch', '10', '--checkpoint', checkpoint, log]);
    expect(second.stderr).toContain('continuing after line 10');
    expect(second.stdout).toContain('replayed 15 records in 2 batches');
    await appendFile(log, accessLog(5, 25));
    const third = await run(['--batch', '10', '--checkpoint', checkpoint, log]);
    expect(third.stdout).toContain('replayed 5 records in 1 batch');
    expect(paths()).toEqual(pages(30).slice(10));
  });

  it.each(['csv', 'json', 'ndjson'])('goes on in the middle of a packed %s file', async (format) => {
    const rows = Array.from({ length: 25 }, (_, i) => `2015-05-17T10:05:00Z,/page/${i},a\n`).join('');
    const json = Array.from({ length: 25 }, (_, i) => jsonRecord(i));
    const content = {
      csv: `timestamp,path,userAgent\n${rows}`,
      json: `[${json.join(',\n')}]`,
      ndjson: `${json.join('\n')}\n`,
    }[format];
    const log = await write(`a.${format}.gz`, gzipSync(content ?? ''));
    const args = ['--batch', '10', '--retries', '0', '--checkpoint', join(folder, 'checkpoint.json'), log];
    const accept: Answer = (request, response) =>
      response.writeHead(202).end(JSON.stringify({ accepted: request.lines.length }));
    service.answerNext(accept, (_request, response) => response.writeHead(503).end());
    await run(args);
    await run(args);
    // The header is a row, and the opening bracket a frame.
    expect(paths()).toEqual(pages(25).slice(format === 'ndjson' ? 10 : 9));
  });

  it('begins again with a file that was replaced or has shrunk', async () => {
    const args = ['--checkpoint', join(folder, 'checkpoint.json'), join(folder, 'access.log')];
    await write('access.log', accessLog(20));
    await run(args);
    await write('access.log', accessLog(20, 1));
    expect((await run(args)).stdout).toContain('replayed 20 records');
    await write('access.log', accessLog(10, 1));
    expect((await run(args)).stdout).toContain('replayed 10 records');
  });

  it('does not move the checkpoint over a batch that failed, whatever came behind it', async () => {
    const log = await write('access.log', accessLog(30));
    const checkpoint = join(folder, 'checkpoint.json');
    let held: ServerResponse | undefined;
    const answer: Answer = (request, response) => {
      if (request.lines[0]?.includes('/page/0"')) held = response;
      else response.writeHead(202).end(JSON.stringify({ accepted: request.lines.length }));
      if (service.requests.length === 3) held?.writeHead(400).end('{"detail":"no"}');
    };
    service.answerNext(answer, answer, answer);
    const { error } = await run(['--batch', '10', '--concurrency', '3', '--checkpoint', checkpoint, log]);
    expect(error).toBeInstanceOf(RefusedError);
    expect(service.requests.length).toBe(3);
    expect((await run(['--checkpoint', checkpoint, log])).stdout).toContain('replayed 30 records');
  });

  it('refuses a checkpoint file that is something else', async () => {
    const log = await write('access.log', accessLog(1));
    for (const content of ['junk', '{"version":2,"files":{}}', '{"version":1,"files":{"a":{}}}']) {
      const { error } = await run(['--checkpoint', await write('notes.txt', content), log]);
      expect(error).toMatchObject({ message: expect.stringContaining('not written by logforge') });
    }
    expect(service.requests).toEqual([]);
    expect((await run(['--checkpoint', await write('empty', ''), log])).stdout).toContain('replayed 1 record');
  });
});

describe('trouble', () => {
  it('tries again when the service is busy, and honours Retry-After', async () => {
    service.answerNext((_request, response) =>
      response.writeHead(503, { 'Retry-After': '1' }).end('{"detail":"disk full"}'),
    );
    const start = performance.now();
    const { status, stdout, stderr } = await run([await write('access.log', accessLog(5))]);
    expect(status).toBe(EXIT.ok);
    expect(performance.now() - start).toBeGreaterThanOrEqual(999);
    expect(stdout).toContain('replayed 5 records in 1 batch');
    expect(stderr).toContain('the service answered 503: disk full; next attempt in 1.0 s');
    expect(service.requests.map(({ headers }) => headers['idempotency-key'])).toEqual(
      Array(2).fill(service.requests[0]?.headers['idempotency-key']),
    );
  });

  it('tries again when a connection is lost', async () => {
    service.answerNext((_request, response) => void response.destroy());
    const { stdout } = await run([await write('access.log', accessLog(5))]);
    expect(stdout).toContain('replayed 5 records in 1 batch');
  });

  it('gives up after so many attempts, with the reason', async () => {
    const log = await write('access.log', accessLog(5));
    const busy: Answer = (_request, response) => response.writeHead(429).end();
    service.answerNext(busy, busy);
    const { error } = await run(['--retries', '1', log]);
    expect(error).toMatchObject({ message: 'the service answered 429; gave up after 2 attempts' });
    expect(service.requests.length).toBe(2);
  });

  it('says what stood in the way when nobody listens', async () => {
    const url = service.url;
    await service.close();
    const { error } = await run(['--retries', '0', await write('access.log', accessLog(5))]);
    service = await createFakeService();
    expect(error).toMatchObject({ message: expect.stringContaining(`cannot reach url=${url}: connect ECONNREFUSED`) });
  });

  it('ends at the first batch that is refused for good, with what the service says', async () => {
    service.answerNext((_request, response) => response.writeHead(401).end('{"detail":"no key was sent"}'));
    const { error, stdout } = await run(['--batch', '2', await write('access.log', accessLog(9))]);
    expect(error).toMatchObject({ message: 'the service refused a batch with 401: no key was sent' });
    expect(service.requests.length).toBe(1);
    expect(stdout).toContain('replayed 0 records in 0 batches');
  });

  it('counts records that the service refuses one by one', async () => {
    const errors = [{ index: 1, field: '', reason: 'record 1 exceeds 64 bytes' }];
    service.answerNext(
      (_request, response) => response.writeHead(202).end(JSON.stringify({ accepted: 4, rejected: 1, errors })),
      (_request, response) => response.writeHead(400).end(JSON.stringify({ errors, errorCount: 5 })),
    );
    const log = await write('access.log', accessLog(10));
    const { stdout, stderr, status } = await run(['--batch', '5', '--max-rejects', '60', log]);
    expect(status).toBe(EXIT.ok);
    expect(stdout).toContain('replayed 4 records in 2 batches, 0 lines unreadable, 6 refused by the service');
    expect(stderr).toContain('line 2 was refused: exceeds 64 bytes');
    expect(service.requests[0]?.url).toBe('/logs?invalid=skip');
  });

  it('goes on with the next file after one that cannot be read, and fails at the end', async () => {
    const missing = join(folder, 'missing.log');
    const { status, stderr, stdout } = await run([missing, folder, await write('access.log', accessLog(1))]);
    expect(status).toBe(EXIT.failure);
    expect(stderr).toContain(`${missing}: `);
    expect(stderr).toMatch(/^cannot read path=\S+: it is a folder$/m);
    expect(stdout).toContain('replayed 1 record in 1 batch');
  });

  it('stores the lines of a packed file that is cut off, and says that it is cut', async () => {
    const packed = gzipSync(accessLog(5000));
    const log = await write('a.log.gz', packed.subarray(0, packed.length - 20));
    const { status, stderr, stdout } = await run([log]);
    expect([status, stderr]).toEqual([EXIT.failure, expect.stringContaining('is cut')]);
    expect(Number(/replayed ([\d,]+) records/.exec(stdout)?.[1]?.replace(',', ''))).toBeGreaterThan(4_900);
  });

  it('does not believe an answer that it cannot read', async () => {
    service.answerNext((_request, response) => response.writeHead(202).end('<html>'));
    const { error } = await run([await write('access.log', accessLog(1))]);
    expect(error).toMatchObject({ message: 'cannot read the answer to a batch: <html>' });
  });
});

describe('the command line', () => {
  it.each([
    [[], 'a file is missing'],
    [['-', '-'], 'only once'],
    [['--checkpoint', 'x', '-'], 'cannot be continued'],
    [['--batch', '0', 'x'], '--batch must be a whole number'],
    [['--rate', '-1', 'x'], '--rate'],
    [['--url', 'localhost:8082', 'x'], '--url must be an address such as'],
    [['--format', 'xml', 'x'], '--format must be one of'],
  ])('refuses %j', async (args, message) => {
    const { error } = await run(args);
    expect(error).toBeInstanceOf(UsageError);
    expect(error).toMatchObject({ message: expect.stringContaining(message) });
  });

  it('sends the key it is given, or the one in the environment', async () => {
    const log = await write('access.log', accessLog(1));
    await run(['--api-key', 'one', log]);
    await run([log], { env: { LOGFORGE_API_KEY: 'two' } });
    await run([log]);
    expect(service.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer one',
      'Bearer two',
      undefined,
    ]);
  });

  it('keeps to the rate', async () => {
    const start = performance.now();
    await run(['--batch', '10', '--rate', '100', await write('access.log', accessLog(50))]);
    expect(performance.now() - start).toBeGreaterThanOrEqual(399);
    expect(paths()).toEqual(pages(50));
  });

  it('sends several batches at once when told to, and still counts in order', async () => {
    const waiting: (() => void)[] = [];
    const hold: Answer = (request, response) => {
      waiting.unshift(() => response.writeHead(202).end(JSON.stringify({ accepted: request.lines.length })));
      if (waiting.length === 3) for (const answer of waiting) answer();
    };
    service.answerNext(hold, hold, hold);
    const { stdout } = await run(['--batch', '10', '--concurrency', '3', await write('access.log', accessLog(30))]);
    expect(stdout).toContain('replayed 30 records in 3 batches');
  });

  it('shows progress on a terminal and takes it away again', async () => {
    const log = await write('access.log', accessLog(50));
    const { stderr } = await run(['--batch', '10', '--rate', '100', log], { tty: true });
    expect(stderr).toMatch(/\r.*access\.log: \d+ %, \d+ records, [\d,]+ records\/s/);
    expect(stderr).toMatch(/\r +\r$/);
    expect((await run([log])).stderr).toBe('');
  });
});

describe('memory', () => {
  it('reads no further ahead than the batches under way', async () => {
    const input = new PassThrough({ highWaterMark: 1024 });
    let written = 0;
    const line = `${accessLine(0)}\n`;
    input.on('drain', fill);
    function fill() {
      while (written < 50_000_000 && input.write(line)) written += line.length;
    }
    fill();
    const held = Promise.withResolvers<ServerResponse>();
    service.answerNext((_request, response) => held.resolve(response));
    const out = collect();
    const io = { stdout: out.stream, stderr: collect().stream, stdin: input, env: {} };
    const running = replay.run(['--url', service.url, '--format', 'combined', '--retries', '0', '-'], io);
    const response = await held.promise;
    let ahead = 0;
    while (ahead < written) {
      ahead = written;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    input.off('drain', fill);
    input.end();
    response.writeHead(202).end('{"accepted":1000}');
    expect(await running).toBe(EXIT.ok);
    expect(ahead).toBeLessThan(2_000_000);
  });
});
