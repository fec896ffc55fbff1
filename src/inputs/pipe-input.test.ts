import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, lstatSync, openSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/storage.ts';
import { makeFolder } from './contract/contract-places.case.ts';
import type { InputFixture, Sender } from './contract/fixture.case.ts';
import { joinLines, makeLines, setUp } from './contract/flow.case.ts';
import { describeInputContract } from './contract/input-contract.case.ts';
import { senderOf } from './contract/stream-sender.case.ts';
import { createPipeInput } from './pipe-input.ts';
import { createDescriptorSource, createFifoSource } from './pipe-source.ts';

async function connectPipe(path: string): Promise<Sender> {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  return senderOf(new Socket({ fd, readable: false, writable: true }));
}

const fifo: InputFixture = {
  kind: 'pipe',
  place: 'path',
  create(options) {
    const source = createFifoSource(options.where ?? join(makeFolder(), 'in'));
    return { input: createPipeInput({ ...options, source }), connect: connectPipe };
  },
};

/** A pipe as standard input is one. */
const descriptor: InputFixture = {
  kind: 'pipe',
  place: 'none',
  create(options) {
    const path = join(makeFolder(), 'in');
    execFileSync('mkfifo', [path]);
    const source = createDescriptorSource(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
    return { input: createPipeInput({ ...options, source }), connect: () => connectPipe(path) };
  },
};

describeInputContract('an input of type fifo', fifo);
describeInputContract('an input of type stdin', descriptor);

describe('an input of type fifo', () => {
  it('goes on when all writers have left, and when one was killed in the middle of a line', async () => {
    const path = join(makeFolder(), 'in');
    const { start, connect, lines, awaitLines, connections } = await setUp(fifo, { where: path });
    await start();
    for (const name of ['a', 'b']) {
      const sender = await connect();
      await sender.send(`${name}\n`);
      await sender.close();
    }
    const killed = spawn('sh', ['-c', `printf half > "$0"; sleep 60`, path]);
    await once(killed, 'spawn');
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    await (await connect()).send('c\n');
    await awaitLines(3);
    expect(lines.slice(0, 2)).toEqual(['a', 'b']);
    expect(connections).toEqual([1]);
  });

  it('uses a pipe that is there, and leaves it at the stop', async () => {
    const path = join(makeFolder(), 'in');
    execFileSync('mkfifo', [path]);
    const { start, connect, awaitLines, input } = await setUp(fifo, { where: path });
    await start();
    await (await connect()).send('one\n');
    await awaitLines(1);
    await input.stop(1_000);
    expect(lstatSync(path).isFIFO()).toBe(true);
  });

  it('takes a last line without its newline at the stop', async () => {
    const { start, connect, lines, input } = await setUp(fifo);
    await start();
    await (await connect()).send('one\ntwo');
    await input.stop(1_000);
    expect(lines).toEqual(['one', 'two']);
  });

  it('holds no thread of the pool while it waits', async () => {
    const path = join(makeFolder(), 'in');
    const code = `
      import { readFile } from 'node:fs/promises';
      import { createFifoSource } from ${JSON.stringify(import.meta.resolve('./pipe-source.ts'))};
      for (const i of [1, 2, 3]) {
        const source = createFifoSource(${JSON.stringify(path)} + i);
        await source.open({ onBytes() {}, onEnd() {} });
        source.resume();
      }
      await readFile('/proc/self/stat');
      console.log('read');
      process.exit();`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [bytes] = await once(child.stdout, 'data');
    expect(String(bytes)).toBe('read\n');
  });

  it('breaks lines of several writers that are longer than PIPE_BUF, and no shorter ones', async () => {
    const path = join(makeFolder(), 'in');
    const { start, lines, hold, release } = await setUp(fifo, { where: path, maxInFlightBytes: 64 * 1024 });
    await start();
    const write = (length: number) =>
      ['a', 'b', 'c'].map((letter) => {
        const script = `line=$(head -c ${length} /dev/zero | tr '\\0' ${letter}); for i in $(seq 40); do echo $line; done > "$0"`;
        return once(spawn('bash', ['-c', script, path]), 'exit');
      });
    const isWhole = (line: string) => /^(a+|b+|c+)$/.test(line);
    await Promise.all(write(4_000));
    await eventually(() => expect(lines).toHaveLength(120));
    expect(lines.every(isWhole)).toBe(true);
    // While the pipe is full its writers wait, and a long line goes in by parts.
    hold();
    const writers = write(20_000);
    await new Promise((resolve) => setTimeout(resolve, 300));
    release();
    await Promise.all(writers);
    await eventually(() => expect(lines.join('').length).toBe(120 * 24_000));
    expect(lines.slice(120).every(isWhole)).toBe(false);
  });
});

describe('an input of type stdin', () => {
  it('ends with its writer, says so, and gives its last line', async () => {
    const { start, connect, lines, awaitLines, input, connections } = await setUp(descriptor);
    await start();
    const sender = await connect();
    await sender.send('one\ntwo');
    await sender.close();
    await awaitLines(2);
    await input.ended;
    expect(lines).toEqual(['one', 'two']);
    expect(connections).toEqual([1, 0]);
    await input.check();
    expect(input.detail?.()).toContain('has ended');
  });

  it('reads a file to its end, also when the store waits', async () => {
    const path = join(makeFolder(), 'in');
    const sent = makeLines(20_000);
    writeFileSync(path, joinLines(sent));
    const file: InputFixture = {
      ...descriptor,
      create: (options) => ({
        input: createPipeInput({ ...options, source: createDescriptorSource(openSync(path, 'r')) }),
        connect: () => connectPipe(path),
      }),
    };
    const { start, lines, hold, release, peak, input } = await setUp(file, { maxInFlightBytes: 64 * 1024 });
    hold();
    await start();
    await eventually(() => expect(peak()).toBeGreaterThan(64 * 1024));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(peak()).toBeLessThan(256 * 1024);
    release();
    await input.ended;
    await eventually(() => expect(lines).toHaveLength(sent.length));
    expect(joinLines(lines) === joinLines(sent)).toBe(true);
  });
});
