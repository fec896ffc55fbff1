import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createLog, type LogOptions } from './log.ts';

let now = Date.UTC(2025, 10, 22, 15, 23);
const lines: string[] = [];
let close = () => {};

beforeEach(() => {
  vi.useFakeTimers();
  now = Date.UTC(2025, 10, 22, 15, 23);
  lines.length = 0;
});
afterEach(() => {
  close();
  vi.useRealTimers();
});

function start(options: Partial<LogOptions> & { isTTY?: boolean } = {}) {
  const { isTTY = false, ...rest } = options;
  const stream = { write: (line: string) => lines.push(line), isTTY };
  const log = createLog({ level: 'info', format: 'auto', stream, clock: () => now, ...rest });
  close = log.close;
  return log;
}

function pass(ms: number) {
  now += ms;
  vi.advanceTimersByTime(ms);
}

const entries = () => lines.map((line) => JSON.parse(line));

describe('JSON', () => {
  test('is one line an entry: level, time, fields, message', () => {
    start().info('listening', { addr: ':8082' });
    expect(lines).toEqual(['{"level":"info","time":"2025-11-22T15:23:00.000Z","addr":":8082","msg":"listening"}\n']);
  });

  test('leaves out what is below the level', () => {
    const log = start({ level: 'warn' });
    log.trace('a');
    log.debug('a');
    log.info('a');
    log.warn('b');
    log.error('c');
    log.fatal('d');
    expect(entries().map((entry) => entry.msg)).toEqual(['b', 'c', 'd']);
  });

  test('silent says nothing', () => {
    start({ level: 'silent' }).fatal('the end');
    expect(lines).toEqual([]);
  });

  test('an error is told with its causes, each once', () => {
    const cause = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
    const log = start();
    log.error('a', { err: new Error('cannot append', { cause }) });
    log.error('b', { err: new Error('cannot append: ENOSPC: no space left', { cause }) });
    log.error('c', { err: Object.freeze(cause) });
    log.error('d', { err: 'only text' });
    const [a, b, c, d] = entries();
    expect(a.err.message).toBe('cannot append: ENOSPC: no space left');
    expect(a.err.stack).toContain('log.test.ts');
    expect(b.err.message).toBe('cannot append: ENOSPC: no space left');
    expect(c.err.code).toBe('ENOSPC');
    expect(d.err).toBe('only text');
  });

  test('causes that go in a circle end', () => {
    const error = new Error('round');
    error.cause = new Error('and round', { cause: error });
    start().error('a', { err: error });
    expect(lines).toHaveLength(1);
  });

  test('fields that cannot be written do not throw', () => {
    const circle: Record<string, unknown> = { big: 10n };
    circle.self = circle;
    start().info('a', { circle, undefined: undefined, function: () => 1 });
    expect(entries()[0].msg).toBe('a');
  });

  test('a child adds its fields', () => {
    start().child({ room: 'repo', fold: 'x' }).child({ hour: 5 }).info('opened', { path: '/x' });
    expect(entries()[0]).toMatchObject({ room: 'repo', hour: 5, path: '/x', msg: 'opened' });
    expect(entries()[0]).not.toHaveProperty('fold');
  });
});

describe('pretty', () => {
  test('is one line an entry, without colours where there is no terminal', () => {
    const log = start({ format: 'pretty' });
    log.info('listening', { addr: ':8082', note: 'two words', count: 3, list: [1, 'a b'], nothing: null });
    expect(lines).toEqual([
      '2025-11-22T15:23:00.000Z INFO  listening addr=:8082 note="two words" count=3 list=[1,"a b"] nothing=null\n',
    ]);
  });

  test('stays one line whatever a field or an error holds, and does not steer the terminal', () => {
    const log = start({ format: 'pretty', isTTY: false });
    log.fatal('a\nb\x1b[2J', { agent: 'x\u001b[31m\u009b\u202ey\n=', err: new Error('line 1\nline 2') });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.slice(0, -1)).toMatch(/^[\x20-\x7e]+$/);
    expect(lines[0]).toContain('err="line 1\\nline 2" stack="Error: line 1');
  });

  test('auto is pretty with colours on a terminal only', () => {
    vi.stubEnv('NO_COLOR', '');
    start({ isTTY: true }).warn('careful');
    vi.stubEnv('NO_COLOR', '1');
    start({ isTTY: true }).warn('careful');
    vi.unstubAllEnvs();
    expect(lines[0]).toContain('\x1b[33mWARN \x1b[0m careful');
    expect(lines[1]).toBe('2025-11-22T15:23:00.000Z WARN  careful\n');
  });
});

describe('repeats', () => {
  test('are written up to the limit, then counted in one line when the interval is over', () => {
    const log = start({ foldAfter: 2, foldInterval: 1_000 });
    for (let i = 0; i < 10; i++) log.warn('cannot store', { attempt: i });
    expect(entries().map((entry) => entry.attempt)).toEqual([0, 1]);
    pass(999);
    expect(lines).toHaveLength(2);
    pass(1);
    expect(entries()[2]).toMatchObject({ msg: 'cannot store', attempt: 9, repeated: 8 });
    log.warn('cannot store', { attempt: 10 });
    expect(entries()[3]).toMatchObject({ attempt: 10 });
    expect(entries()[3]).not.toHaveProperty('repeated');
  });

  test('at the limit nothing is counted', () => {
    const log = start({ foldAfter: 2, foldInterval: 1_000 });
    log.warn('cannot store');
    log.warn('cannot store');
    pass(5_000);
    expect(lines).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('differ by level, message and fold, not by other fields or by child', () => {
    const log = start({ foldAfter: 1, foldInterval: 1_000 });
    log.warn('a', { path: 1 });
    log.child({ room: 'x' }).warn('a', { path: 2 });
    log.error('a');
    log.warn('b');
    log.warn('a', { fold: 'hour 7' });
    log.warn('a', { fold: 'hour 8' });
    log.warn('a', { fold: 'hour 8' });
    expect(lines).toHaveLength(5);
    expect(lines.join()).not.toContain('fold');
  });

  test('with fold: false every one is written', () => {
    const log = start({ foldAfter: 1, foldInterval: 1_000 });
    for (let i = 0; i < 20; i++) log.info('request', { fold: false });
    expect(lines).toHaveLength(20);
  });

  test('below the level are not counted', () => {
    const log = start({ foldAfter: 1, foldInterval: 1_000 });
    for (let i = 0; i < 20; i++) log.debug('a');
    pass(1_000);
    expect(lines).toEqual([]);
  });

  test('are told at close', () => {
    const log = start({ foldAfter: 1, foldInterval: 1_000 });
    for (let i = 0; i < 5; i++) log.warn('a');
    log.close();
    expect(entries()[1]).toMatchObject({ msg: 'a', repeated: 4 });
    expect(vi.getTimerCount()).toBe(0);
  });

  test('are told by the next one where the timer came late', () => {
    const log = start({ foldAfter: 1, foldInterval: 1_000 });
    log.warn('a', { n: 1 });
    log.warn('a', { n: 2 });
    now += 2_000;
    log.warn('a', { n: 3 });
    expect(entries().map(({ n, repeated }) => [n, repeated])).toEqual([
      [1, undefined],
      [2, 1],
      [3, undefined],
    ]);
  });

  test('are watched for a bounded number of entries, and none is lost by it', () => {
    const log = start({ foldAfter: 1, foldInterval: 1_000 });
    log.warn('first');
    log.warn('first', { n: 2 });
    for (let i = 0; i < 1_000; i++) log.warn('other', { fold: i });
    expect(entries().filter((entry) => entry.msg === 'first')).toMatchObject([{}, { n: 2, repeated: 1 }]);
  });
});

test('what was written is out when the process exits right after, and a reader that went away is no error', async () => {
  const script = `
    import { createLog } from ${JSON.stringify(new URL('./log.ts', import.meta.url).href)};
    const log = createLog({ level: 'info', format: 'auto' });
    for (let i = 0; i < 2000; i++) log.info('x'.repeat(100), { i, fold: false });
    process.exit(7);`;
  const run = async (readAll: boolean) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    if (readAll) child.stderr.on('data', (data) => (text += data));
    else child.stderr.destroy();
    const [code] = await once(child, 'close');
    return { code, lines: text.split('\n').length - 1 };
  };
  vi.useRealTimers();
  expect(await run(true)).toEqual({ code: 7, lines: 2_000 });
  expect((await run(false)).code).toBe(7);
});
