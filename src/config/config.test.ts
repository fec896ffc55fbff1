// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the configuration has a ${VAR} syntax of its own.
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ConfigInput, describeConfig, loadConfig, maskSecrets, toListenAddress } from './config.ts';
import { keysByPath } from './keys.ts';
import { ConfigError } from './problem.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'logforge-config-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function problemsOf(input: ConfigInput): string[] {
  try {
    loadConfig(input);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
}

function problemsIn(text: string, env: Record<string, string> = {}): string[] {
  return problemsOf({ file: 'c.yaml', text, env });
}

test.each([
  [1, 'direct'],
  [2, 'queued'],
] as const)('version %d is the %s pipeline', (version, pipeline) => {
  expect(loadConfig({ flags: { version: String(version) } }).config).toMatchObject({ version, pipeline });
});

describe('defaults', () => {
  test.each(['', '# nothing\n', '---\n', 'server:\nstorage: {}\n'])('hold for %j', (text) => {
    expect(loadConfig({ text }).config).toEqual(loadConfig().config);
  });

  test('are those of the contract, read to milliseconds and bytes', () => {
    const { config, sources } = loadConfig();
    expect(config).toMatchObject({
      version: 1,
      server: {
        addr: ':8082',
        maxBodyBytes: 16 * 1024 ** 2,
        maxInFlightBytes: 256 * 1024 ** 2,
        requestTimeout: 5_000,
        headersTimeout: 2_000,
        bodyTimeout: 10_000,
        keepAliveTimeout: 60_000,
        shutdownTimeout: 30_000,
        threads: 1,
        rateLimit: 'off',
      },
      auth: { enabled: false, headerName: 'X-API-Key', keys: [], keysFile: '' },
      storage: { logsDir: 'logs', analyticsDir: 'analytics', stateDir: 'state', dlqDir: 'dlq', durability: 'disk' },
      ingestion: {
        invalidRecords: 'reject',
        extraFields: 'keep',
        maxRecordBytes: 256 * 1024,
        idempotencyWindow: 86_400_000,
        idempotencyMaxKeys: 1_000_000,
      },
      aggregation: { enabled: true, interval: 30_000 },
      logging: { level: 'info', format: 'auto' },
      kafka: { client: 'kafkajs', topic: 'logs', groupID: 'logs-consumer-group', requireAllAcks: true, consumers: 1 },
      consumer: { flushInterval: 500 },
    });
    expect(sources.get('server.addr')).toEqual({ kind: 'default', name: 'default' });
    expect([...sources.keys()]).toEqual([...keysByPath.keys()]);
  });

  test.each([...keysByPath.values()])('$path may be written as its default is documented', (key) => {
    expect(key.schema.safeParse(key.leaf.default).success).toBe(true);
  });
});

describe('precedence', () => {
  const text = 'server:\n  addr: ":1"\nstorage:\n  logsDir: from-file\naggregation: {interval: 1m}\n';
  const env = { LOGFORGE_SERVER_ADDR: ':2', LOGFORGE_STORAGE_LOGS_DIR: 'from-env' };

  test('is file, environment, flags, and each value knows its source', () => {
    const { config, sources } = loadConfig({ file: 'c.yaml', text, env, flags: { addr: ':3' } });
    expect(config.server.addr).toBe(':3');
    expect(config.storage.logsDir).toBe('from-env');
    expect(config.aggregation.interval).toBe(60_000);
    expect(sources.get('server.addr')).toEqual({ kind: 'flag', name: '--addr' });
    expect(sources.get('storage.logsDir')).toEqual({ kind: 'env', name: 'LOGFORGE_STORAGE_LOGS_DIR' });
    expect(sources.get('aggregation.interval')).toEqual({ kind: 'file', name: 'c.yaml', line: 5 });
    expect(sources.get('auth.enabled')).toEqual({ kind: 'default', name: 'default' });
  });

  test('an empty variable counts as not set', () => {
    expect(loadConfig({ text, env: { LOGFORGE_SERVER_ADDR: '' } }).config.server.addr).toBe(':1');
  });

  test('every flag sets its key', () => {
    const { config } = loadConfig({
      flags: {
        version: '2',
        addr: ':3',
        'logs-dir': 'l',
        'analytics-dir': 'a',
        'state-dir': 's',
        'dlq-dir': 'd',
        'aggregation-interval': '1s',
      },
    });
    expect(config.version).toBe(2);
    expect(config.storage).toMatchObject({ logsDir: 'l', analyticsDir: 'a', stateDir: 's', dlqDir: 'd' });
    expect(config.aggregation.interval).toBe(1_000);
  });
});

describe('environment', () => {
  test('camelCase keys become words, and every name is its own', () => {
    const names = [...keysByPath.values()].map((key) => key.env);
    expect(names).toContain('LOGFORGE_SERVER_MAX_BODY_BYTES');
    expect(names).toContain('LOGFORGE_KAFKA_GROUP_ID');
    expect(names).toContain('LOGFORGE_QUEUE_SPOOL_MAX_BYTES');
    expect(new Set(names).size).toBe(names.length);
  });

  test('numbers, switches and lists are read from text', () => {
    const env = {
      LOGFORGE_SERVER_THREADS: '2',
      LOGFORGE_AGGREGATION_ENABLED: 'false',
      LOGFORGE_KAFKA_BROKERS: 'a:1, b:2,',
      LOGFORGE_SERVER_MAX_BODY_BYTES: '65536',
    };
    const { config } = loadConfig({ env });
    expect(config.server.threads).toBe(2);
    expect(config.aggregation.enabled).toBe(false);
    expect(config.kafka.brokers).toEqual(['a:1', 'b:2']);
    expect(config.server.maxBodyBytes).toBe(65_536);
  });

  test('an unknown variable with our prefix is a problem', () => {
    expect(problemsOf({ env: { LOGFORGE_SERVER_ADR: ':1', LOGFORGE_WHATEVER_THIS_IS: '1' } })).toEqual([
      'LOGFORGE_SERVER_ADR: unknown variable, did you mean LOGFORGE_SERVER_ADDR?',
      'LOGFORGE_WHATEVER_THIS_IS: unknown variable',
    ]);
  });

  test('what Kubernetes puts there, other variables of ours and those of others are none', () => {
    const env = {
      LOGFORGE_SERVICE_HOST: '10.0.0.1',
      LOGFORGE_SERVICE_PORT_HTTP: '8082',
      LOGFORGE_PORT: 'tcp://10.0.0.1:8082',
      LOGFORGE_V1_PORT_8082_TCP_ADDR: '10.0.0.1',
      LOGFORGE_CONFIG: 'x.yaml',
      LOGFORGE_API_KEY: 'k',
      PATH: '/bin',
    };
    expect(problemsOf({ env })).toEqual([]);
  });
});

describe('interpolation', () => {
  test('a number, a switch, a list and a size may come out of a variable', () => {
    const text = [
      'server: {threads: "${THREADS}", maxBodyBytes: "${SIZE}"}',
      'kafka:',
      '  brokers: ${BROKERS}',
      '  requireAllAcks: ${ACKS:-true}',
      '  topic: logs-${ENVIRONMENT:-dev}',
    ].join('\n');
    const { config } = loadConfig({ text, env: { THREADS: '2', SIZE: '1MiB', BROKERS: 'a:1,b:2' } });
    expect(config.server).toMatchObject({ threads: 2, maxBodyBytes: 1024 ** 2 });
    expect(config.kafka).toMatchObject({ brokers: ['a:1', 'b:2'], requireAllAcks: true, topic: 'logs-dev' });
  });

  test('happens in list items, and cannot change the structure', () => {
    const { config } = loadConfig({
      text: 'kafka:\n  groupID: ${GROUP}\n  brokers: ["${B}:1", "c:2"]',
      env: { GROUP: 'a\nserver: {addr: x}', B: 'b' },
    });
    expect(config.kafka.groupID).toBe('a\nserver: {addr: x}');
    expect(config.kafka.brokers).toEqual(['b:1', 'c:2']);
  });

  test('what is not set is said', () => {
    const text =
      'server:\n  addr: ${ADDR}\nkafka:\n  sasl:\n    password: ${PW:?the broker password}\n  topic: ${OPEN\n';
    expect(problemsIn(text)).toEqual([
      'c.yaml:2: server.addr: expected an address such as ":8082", "127.0.0.1:8082" or "[::1]:8082", got "" (ADDR not set)',
      'c.yaml:5: kafka.sasl.password: PW is not set: the broker password',
      'c.yaml:6: kafka.topic: cannot read ${OPEN: expected ${VAR}, ${VAR:-default} or ${VAR:?message}; $${ is a plain ${',
    ]);
  });
});

describe('problems', () => {
  test('are all listed, with file, line, key and the nearest known key', () => {
    const text = [
      'version: 3',
      'server:',
      '  addr: 8082',
      '  maxBodyByts: 1MiB',
      '  requestTimeout: soon',
      '  threads: "2"',
      'storag: {}',
      'aggregation:',
      '  enabled: yes',
      '  interval: 30',
      'logsDir: x',
      'logging: info',
      'kafka:',
      '  topic: 5',
      '  brokers: [a, "b:1"]',
      '  compression: lzma',
      '  partitions: 0',
      'zebra: 1',
    ].join('\n');
    expect(
      problemsOf({ file: 'c.yaml', text, env: { LOGFORGE_SERVER_THREADS: 'many' }, flags: { addr: 'x' } }),
    ).toEqual([
      'c.yaml:1: version: expected 1 or 2, got 3',
      'c.yaml:3: server.addr: expected an address such as ":8082", "127.0.0.1:8082" or "[::1]:8082", got 8082',
      'c.yaml:4: server.maxBodyByts: unknown key, did you mean maxBodyBytes?',
      'c.yaml:5: server.requestTimeout: expected a duration from 10ms to 1h, such as 500ms, 30s, 5m or 24h, got "soon"',
      'c.yaml:6: server.threads: expected a whole number from 1 to 64, got "2"',
      'c.yaml:7: storag: unknown key, did you mean storage?',
      'c.yaml:9: aggregation.enabled: expected true or false, got "yes"',
      'c.yaml:10: aggregation.interval: expected a duration from 100ms to 24h, such as 500ms, 30s, 5m or 24h, got 30',
      'c.yaml:11: logsDir: unknown key, did you mean storage.logsDir?',
      'c.yaml:12: logging: expected a section with level, format, access, stats, sources',
      'c.yaml:14: kafka.topic: expected a topic of letters, digits, ".", "_" and "-", got 5; put it in quotes',
      'c.yaml:15: kafka.brokers: expected a list of host:port, got "a"',
      'c.yaml:16: kafka.compression: expected one of none, gzip, zstd, snappy, lz4, got "lzma"',
      'c.yaml:17: kafka.partitions: expected a whole number from 1 to 10000, got 0',
      'c.yaml:18: zebra: unknown key, the file may have version, server, auth, storage, retention, ingestion, aggregation, query, logging, kafka, queue, consumer, registry, store, streams, inputs, mappings',
      'LOGFORGE_SERVER_THREADS: server.threads: expected a whole number from 1 to 64, got "many"',
      '--addr: server.addr: expected an address such as ":8082", "127.0.0.1:8082" or "[::1]:8082", got "x"',
    ]);
  });

  test.each([
    [
      'server:\n  addr:\n',
      'c.yaml:2: server.addr: expected an address such as ":8082", "127.0.0.1:8082" or "[::1]:8082", got nothing',
    ],
    [
      'storage: {logsDir: {a: 1}}',
      'c.yaml:1: storage.logsDir: expected text, not empty and without control characters, got a section',
    ],
    [
      'storage: {logsDir: [a]}',
      'c.yaml:1: storage.logsDir: expected text, not empty and without control characters, got a list',
    ],
    [
      'storage: {logsDir: ""}',
      'c.yaml:1: storage.logsDir: expected text, not empty and without control characters, got ""',
    ],
    ['server: {threads: 1.5}', 'c.yaml:1: server.threads: expected a whole number from 1 to 64, got 1.5'],
    [
      '- a\n- b\n',
      'c.yaml:1: expected a section with version, server, auth, storage, retention, ingestion, aggregation, query, logging, kafka, queue, consumer, registry, store, streams, inputs, mappings',
    ],
    [
      '__proto__: {x: 1}',
      'c.yaml:1: __proto__: unknown key, the file may have version, server, auth, storage, retention, ingestion, aggregation, query, logging, kafka, queue, consumer, registry, store, streams, inputs, mappings',
    ],
    [
      `storage: {logsDir: [${'x'.repeat(3)}]}`,
      'c.yaml:1: storage.logsDir: expected text, not empty and without control characters, got a list',
    ],
  ])('%j', (text, problem) => expect(problemsIn(text)).toEqual([problem]));

  test.each([
    'a: b: c',
    'server:\n\taddr: 1',
    'server: {}\nserver: {}',
    'x: *nowhere',
    '{',
    'a: 1\n---\nb: 1',
    '? {a: 1}\n: 1',
  ])('of syntax in %j have a line', (text) => {
    const problems = problemsIn(text);
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) expect(problem).toMatch(/^c\.yaml:\d+: /);
  });

  test('a value at the bound is taken, one beyond is not', () => {
    expect(problemsIn('server: {threads: 64, maxBodyBytes: 1KiB, requestTimeout: 10ms}')).toEqual([]);
    expect(problemsIn('server: {threads: 65, maxBodyBytes: 1023, requestTimeout: 9ms}')).toHaveLength(3);
  });

  test('an anchor may be used twice, and one that holds itself is refused', () => {
    expect(problemsIn('storage: {logsDir: &d x, dlqDir: y}\nkafka: {topic: *d}')).toEqual([]);
    expect(problemsIn('server: &s\n  addr: *s\n')).toHaveLength(1);
  });

  test('a file that cannot be read, or is not UTF-8', async () => {
    const file = join(directory, 'latin1.yaml');
    await writeFile(file, Buffer.from([0x61, 0x3a, 0x20, 0xe9]));
    expect(problemsOf({ file })[0]).toMatch(/latin1\.yaml: cannot read the file: /);
    expect(problemsOf({ file: join(directory, 'none.yaml') })[0]).toMatch(/none\.yaml: cannot read the file: ENOENT/);
  });

  test('between keys', () => {
    const text = [
      'server: {maxInFlightBytes: 1MiB}',
      'auth: {enabled: true}',
      'storage: {logsDir: a, dlqDir: ./a/}',
      'kafka: {brokers: [], ssl: {certFile: c.pem}, sasl: {mechanism: plain, username: u}}',
      'version: 2',
    ].join('\n');
    expect(problemsIn(text)).toEqual([
      'c.yaml:1: server.maxInFlightBytes: must be at least server.maxBodyBytes, or the largest bodies would always be refused',
      'c.yaml:2: auth.enabled: needs auth.keys or auth.keysFile, or every request would be refused',
      'c.yaml:3: storage.dlqDir: must not be the directory of storage.logsDir',
      'c.yaml:4: kafka.brokers: version 2 needs at least one broker',
      'c.yaml:4: kafka.ssl.certFile: needs kafka.ssl.keyFile, and the other way round: set both or neither',
      'c.yaml:4: kafka.sasl.mechanism: needs kafka.sasl.username and kafka.sasl.password',
    ]);
  });

  test.each([
    [
      'storage: {stateDir: logs/state}',
      'c.yaml:1: storage.stateDir: must not be inside the directory of storage.logsDir',
    ],
    [
      'storage: {dlqDir: ./state/../logs/d/e}',
      'c.yaml:1: storage.dlqDir: must not be inside the directory of storage.logsDir',
    ],
    [
      'storage: {logsDir: analytics/x}',
      'c.yaml:1: storage.logsDir: must not be inside the directory of storage.analyticsDir',
    ],
    [
      'storage: {analyticsDir: .}',
      'default: storage.logsDir: must not be inside the directory of storage.analyticsDir',
    ],
  ])('a folder inside another: %s', (text, problem) => expect(problemsIn(text)).toContain(problem));

  test('folders side by side, one name beginning with the other, are fine', () => {
    expect(problemsIn('storage: {logsDir: a, stateDir: a-state, dlqDir: ..a/b, analyticsDir: b/../c}')).toEqual([]);
  });

  test('a folder inside another behind a symbolic link', async () => {
    await mkdir(join(directory, 'logs'));
    await symlink(join(directory, 'logs'), join(directory, 'link'));
    const text = `storage: {logsDir: '${directory}/logs', stateDir: '${directory}/link/not/yet'}`;
    expect(problemsIn(text)).toEqual([
      'c.yaml:1: storage.stateDir: must not be inside the directory of storage.logsDir',
    ]);
  });

  test('a file without end', () => {
    expect(problemsOf({ file: '/dev/zero' })[0]).toContain('the file is larger than 256KiB');
    expect(problemsIn('auth: {enabled: true, keysFile: /dev/zero}')[0]).toContain('the file is larger than 4MiB');
  });

  test('between keys are not guessed at where one of them is wrong by itself', () => {
    expect(problemsIn('auth: {enabled: true, keysFile: 5}')).toHaveLength(1);
  });
});

test('every key in force can be shown as it would be written, with its source and without secrets', () => {
  const text = 'server: {maxBodyBytes: 65536, rateLimit: 5/s}\nauth: {keys: [abc, def]}\nkafka: {brokers: [a:1, b:2]}';
  const rows = describeConfig(loadConfig({ file: 'c.yaml', text, flags: { 'aggregation-interval': '90000ms' } }));
  expect(rows.map((row) => row.key)).toEqual([...keysByPath.keys()]);
  const shown = new Map(rows.map(({ key, ...row }) => [key, row]));
  expect(shown.get('server.addr')).toEqual({ value: ':8082', source: 'default' });
  expect(shown.get('server.maxBodyBytes')).toEqual({ value: '64KiB', source: 'c.yaml:1' });
  expect(shown.get('server.rateLimit')).toEqual({ value: '5/s burst 5', source: 'c.yaml:1' });
  expect(shown.get('auth.keys')).toEqual({ value: '********,********', source: 'c.yaml:2' });
  expect(shown.get('auth.keysFile')).toEqual({ value: '', source: 'default' });
  expect(shown.get('kafka.brokers')).toEqual({ value: 'a:1,b:2', source: 'c.yaml:3' });
  expect(shown.get('kafka.ssl.enabled')).toEqual({ value: 'false', source: 'default' });
  expect(shown.get('aggregation.interval')).toEqual({ value: '90s', source: '--aggregation-interval' });
});

test('what is shown is read again to the same', () => {
  const shown = loadConfig({ text: 'server: {rateLimit: 5/s burst 7}' });
  const env = Object.fromEntries(describeConfig(shown).map(({ key, value }) => [keysByPath.get(key)?.env, value]));
  expect(loadConfig({ env }).config).toEqual(shown.config);
});

describe('secrets', () => {
  const text =
    'auth: {enabled: true, keys: [first-key, second-key]}\nkafka: {sasl: {mechanism: plain, username: u, password: hush}}';

  test('are masked, and nothing else is', () => {
    const { config } = loadConfig({ text });
    const masked = maskSecrets(config);
    expect(JSON.stringify(masked)).not.toMatch(/first-key|second-key|hush/);
    expect(masked.auth.keys).toEqual(['********', '********']);
    expect(masked.server).toEqual(config.server);
    const { pipeline: _, ...values } = loadConfig().config;
    expect(maskSecrets(loadConfig().config)).toEqual(values);
  });

  test('are not shown in problems', () => {
    const problems = problemsIn('auth: {keys: ["se cret", 12345]}\nkafka: {sasl: {password: 98765}}');
    expect(problems).toHaveLength(2);
    expect(problems.join()).not.toMatch(/se cret|12345|98765/);
  });

  test('keysFile adds its keys', async () => {
    const file = join(directory, 'keys');
    await writeFile(file, '# ours\nalpha\r\n\n  beta  \nfirst-key\n');
    const { config } = loadConfig({ text, env: { LOGFORGE_AUTH_KEYS_FILE: file } });
    expect(config.auth.keys).toEqual(['first-key', 'second-key', 'alpha', 'beta']);
  });

  test('keysFile problems name the line, not the key', async () => {
    const file = join(directory, 'bad-keys');
    await writeFile(file, 'good\nnot a key\n');
    expect(problemsOf({ text: `auth: {enabled: true, keysFile: ${file}}` })).toEqual([
      `${file}:2: auth.keysFile: expected a key of visible ASCII characters`,
    ]);
    await writeFile(file, '# nothing\n');
    expect(problemsOf({ text: `auth: {enabled: true, keysFile: ${file}}` })).toEqual([
      `${file}: auth.keysFile: expected at least one key`,
    ]);
    expect(problemsOf({ text: `auth: {enabled: true, keysFile: ${file}-none}` })[0]).toMatch(
      /cannot read the file: ENOENT/,
    );
  });
});

test('an address is read for a listening socket', () => {
  expect(toListenAddress('[::1]:80')).toEqual({ host: '::1', port: 80 });
  expect(() => toListenAddress('80')).toThrow('cannot read server.addr="80": expected host:port');
});
