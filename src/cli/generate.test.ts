import { describe, expect, it } from 'vitest';
import { generateOptions, readAmounts, readFields } from './generate-flags.ts';
import { type GeneratePlan, readPlan } from './generate-plan.ts';
import { main } from './main.ts';
import { parseFlags } from './parse-flags.ts';
import { createTestIo } from './test-io.case.ts';

const flagsOf = (line: string) => parseFlags(line.split(' ').filter(Boolean), generateOptions).values;
const plan = (line: string): GeneratePlan => readPlan(flagsOf(line));

describe('logforge generate chooses', () => {
  it.each<[string, Partial<GeneratePlan>]>([
    [
      '',
      {
        transport: 'tls',
        format: 'json',
        framing: 'universal',
        records: 'events',
        to: { host: 'localhost', port: 3001 },
      },
    ],
    ['--transport tls --framing newline --format csv', { framing: 'newline' }],
    ['--transport tls --framing octet-counted --format syslog', { framing: 'octet-counted' }],
    ['--udp', { transport: 'udp', framing: 'newline', to: { host: '127.0.0.1', port: 3002 } }],
    ['--udp --address 10.0.0.1 --udp-port 99', { to: { host: '10.0.0.1', port: 99 } }],
    ['--address go-ingestor --tcp-port 98', { transport: 'tls', to: { host: 'go-ingestor', port: 98 } }],
    ['--transport udp', { to: { host: '127.0.0.1', port: 9000 } }],
    ['--transport tcp', { to: { host: '127.0.0.1', port: 9000 }, framing: 'newline', records: 'events' }],
    ['--transport tcp --size 100', { records: 'producer' }],
    ['--transport udp --size 100', { records: 'producer' }],
    ['--transport stdout --size 100', { records: 'producer' }],
    ['--size 100', { transport: 'tls', records: 'events' }],
    ['--udp --size 100', { records: 'events' }],
    ['--transport tcp --size 100 --format raw', { records: 'events' }],
    ['--transport udp --format syslog', { framing: 'single' }],
    ['--transport unixgram --format syslog', { framing: 'single' }],
    ['--transport udp --format raw', { framing: 'newline' }],
    ['--transport tcp --format syslog', { framing: 'newline' }],
    ['--transport unixsock --address h --tcp-port 5 --udp-port 6', { path: 'logforge.sock' }],
    ['--transport tcp --format avro', { framing: 'universal' }],
    ['--transport tcp --addr [::1]:77', { to: { host: '::1', port: 77 } }],
    ['--transport tcp --format combined', { records: 'access' }],
    ['--transport unixsock', { path: 'logforge.sock' }],
    ['--transport unixgram', { path: 'logforge.dgram' }],
    ['--transport fifo --path /x', { path: '/x' }],
    ['--transport http', { framing: 'body', records: 'access', stream: 'access' }],
    ['--url http://h', { transport: 'http' }],
    ['--stream events --size 5', { transport: 'http', records: 'events', stream: 'events' }],
  ])('%s', (line, expected) => {
    expect(plan(line)).toMatchObject(expected);
  });

  it.each([
    ['', { batch: 100, intervalMs: 1_000, retries: 3, producers: 1, count: Number.POSITIVE_INFINITY }],
    ['--batch 4000 --interval 10', { batch: 4_000, intervalMs: 10 }],
    ['--interval 2s', { intervalMs: 2_000 }],
    ['--interval 0', { batch: 1_000, intervalMs: 0 }],
    ['--rate 0 --batch 7', { batch: 7, intervalMs: 0 }],
    ['--rate 10 --duration 5s', { batch: 1, intervalMs: 100, durationMs: 5_000 }],
    ['--rate 250 --duration 1s', { batch: 3, intervalMs: 12, count: 250 }],
    ['--rate 250 --duration 1s --count 10', { count: 10 }],
    ['--rate 3 --duration 500ms', { count: 2 }],
    ['--rate 250 --duration 1s --burst-chance 1', { count: Number.POSITIVE_INFINITY }],
    ['--rate 5000', { batch: 50, intervalMs: 10 }],
    ['--rate 500 --batch 100', { batch: 100, intervalMs: 200 }],
    ['--size 1KiB --rotate 50MiB', { size: 1_024, rotateBytes: 52_428_800, keep: 5 }],
    [
      '--burst-chance 0.05 --burst-factor 5 --burst-duration 3s',
      { burst: { chance: 0.05, factor: 5, durationMs: 3_000 } },
    ],
  ])('amounts: %s', (line, expected) => {
    expect(readAmounts(flagsOf(line))).toMatchObject(expected);
  });
});

it('fields of the user are read', () => {
  expect(readFields(['a=b=c', 'long_name=', 'umlaut=ü'])).toEqual({ a: 'b=c', long_name: '', umlaut: 'ü' });
});

describe('logforge generate refuses', () => {
  it.each([
    ['--transport carrier', /--transport must be one of http, tcp/],
    ['--transport http --framing newline', /--framing is for streams/],
    ['--transport http --format raw', /POST \/logs does not take raw; --format may be json, ndjson, csv, proto, avro/],
    ['--transport udp --format proto', /--format proto is not text/],
    ['--transport udp --framing universal', /datagrams of udp hold lines/],
    ['--transport tcp --framing newline --format avro', /--format avro is not text/],
    ['--transport tcp --framing universal --format csv', /csv has a header/],
    ['--transport tcp --format combined --records events', /combined is for --records access/],
    ['--transport tcp --stream events', /--stream is for --transport http/],
    ['--transport http --size 5', /--size is the length of a message/],
    ['--stream Upper', /--stream must be the name of a stream, got "Upper"/],
    ['--udp --transport tcp', /give --udp or --transport tcp, not both/],
    ['--transport tcp --addr 127.0.0.1', /--addr must be HOST:PORT such as 127.0.0.1:9000, got "127.0.0.1"/],
    ['--transport tcp --addr h:1 --address x', /give --addr, or --address and a port/],
    ['--rate 5 --interval 5', /give --rate or --interval, not both/],
    ['--rate 0 --interval 5', /give --rate or --interval, not both/],
    ['--interval soon', /--interval must be a time such as 500ms, 5s or 1m, got "soon"/],
    ['--duration 5', /--duration must be a time/],
    ['--batch 0', /--batch must be a whole number from 1/],
    ['--size 2MiB --transport tcp', /--size must be a size/],
    ['--size 1MiB --batch 100000 --transport tcp', /batches of more than/],
    ['--burst-chance 1.5', /--burst-chance must be a number from 0 to 1/],
    ['--burst-factor 0.5', /--burst-factor must be at least 1/],
    ['--field novalue', /--field must be NAME=VALUE/],
    ['--transport udp --framing newline --format syslog', /a datagram holds one message of syslog/],
    ['--transport tls --format csv', /the universal port has no csv; give --framing newline/],
    [
      '--transport tcp --ca x.pem',
      /--ca, --cert, --key and --insecure are for --transport tls, and for http with an https --url/,
    ],
    ['--transport file --cert x.pem --key x.pem', /--ca, --cert, --key and --insecure are for --transport tls/],
    ['--url http://h --insecure', /are for a --url that begins with https/],
    ['--url https://h --insecure --ca x.pem', /give --ca or --insecure, not both/],
    ['--insecure --ca x.pem', /give --ca or --insecure, not both/],
    ['--cert x.pem', /give --cert and --key together/],
    ['--transport unixsock --addr h:1', /--addr is not for unixsock; it is for tcp, tls, udp/],
    ['--path x', /--path is not for tls; it is for unixsock, unixgram, fifo, file/],
    ['--transport tcp --path x', /--path is not for tcp/],
    ['--transport stdout --rotate 1MiB', /--rotate is not for stdout; it is for file/],
    ['--transport tcp --keep 3', /--keep is not for tcp; it is for file/],
    ['--transport tcp --url http://h', /--url is not for tcp; it is for http/],
    ['--udp --api-key k', /--api-key is not for udp; it is for http/],
    ['--registry nowhere', /--registry must be an address/],
    ['--type Own', /--type names a schema of a registry/],
    ['--url nowhere', /--url must be an address/],
    ['word', /unexpected argument "word"/],
  ])('%s', async (line, message) => {
    const { io, stderr } = createTestIo();
    expect(await main(['generate', ...line.split(' ')], io)).toBe(2);
    expect(stderr()).toMatch(message);
  });

  it('control characters in a field', () => {
    expect(() => readFields(['a=b\nc'])).toThrow(/without control characters/);
  });
});

describe('logforge generate', () => {
  it('writes the same records for the same seed, and its report to standard error', async () => {
    const run = async (...more: string[]) => {
      const { io, stdout, stderr } = createTestIo();
      const code = await main(['generate', '--transport', 'stdout', '--count', '20', '--interval', '0', ...more], io);
      expect({ code, stderr: stderr() }).toEqual({ code: 0, stderr: expect.stringMatching(/^sent 20 records/) });
      return stdout().replaceAll(/"timestamp":"[^"]+"/g, '');
    };
    const first = await run('--seed', '5');
    expect(first.split('\n')).toHaveLength(21);
    expect(await run('--seed', '5')).toBe(first);
    expect(await run('--seed', '6')).not.toBe(first);
    expect(await run('--producers', '1')).not.toBe(first);
  });

  it('gives a file to several producers', async () => {
    const { io, stdout } = createTestIo();
    const flags = ['--transport', 'stdout', '--format', 'csv', '--count', '50', '--interval', '0', '--batch', '7'];
    expect(await main(['generate', ...flags, '--producers', '4'], io)).toBe(0);
    const rows = stdout().trimEnd().split('\n');
    expect(rows).toHaveLength(201);
    expect(rows.filter((row) => row.startsWith('timestamp,'))).toHaveLength(1);
  });

  it('names the registry that it cannot reach', async () => {
    const { io, stderr } = createTestIo();
    expect(await main(['generate', '--transport', 'stdout', '--registry', 'http://127.0.0.1:9'], io)).toBe(1);
    expect(stderr()).toMatch(/cannot fetch the json schema LogEntry from http:\/\/127\.0\.0\.1:9\/: /);
  });
});
