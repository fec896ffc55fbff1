import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, toListenAddress } from '../src/config/config.ts';

/*
 * The files of deployment, held against each other and against the tree. test/image runs them where there is a container engine.
 */
const ROOT = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

interface ComposeService {
  readonly command?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly read_only?: boolean;
  readonly user?: string;
  readonly profiles?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}
const compose: { readonly services: Readonly<Record<string, ComposeService>>; readonly volumes: object } = parse(
  read('docker-compose.yml'),
  { merge: true },
);
const dockerfile = read('Dockerfile');

/** Folders that `make` makes before it starts the containers. */
const MADE = ['./certs'];

function service(name: string): ComposeService {
  const found = compose.services[name];
  if (found === undefined) throw new Error(`docker-compose.yml has no service ${name}`);
  return found;
}

describe('docker-compose.yml', () => {
  for (const [name, port] of [
    ['app-v1', 8082],
    ['app-v2', 8083],
  ] as const) {
    it(`starts ${name} with a configuration that listens where its port, health check and Prometheus look`, () => {
      const { command = [], ports, healthcheck, read_only, user } = service(name);
      const [verb, flag, path = ''] = command;
      expect([verb, flag]).toEqual(['serve', '--config']);
      const { config } = loadConfig({ file: join(ROOT, path.replace('/app/', '')) });
      expect(toListenAddress(config.server.addr)).toEqual({ port });
      expect(`app-v${config.version}`).toBe(name);
      expect(ports).toEqual([`127.0.0.1:${port}:${port}`]);
      expect(healthcheck?.test.join(' ')).toContain(`localhost:${port}/ready`);
      expect(read('deploy/prometheus/prometheus.yml')).toContain(`${name}:${port}`);
      for (const folder of ['logsDir', 'analyticsDir', 'stateDir', 'dlqDir'] as const) {
        expect(config.storage[folder]).toMatch(/^\/data\//);
      }
      expect({ read_only, user }).toEqual({ read_only: true, user: 'node' });
    });
  }

  it('starts version 2 after Kafka is healthy, at the listener that its configuration names', () => {
    expect(service('app-v2').depends_on).toEqual({ kafka: { condition: 'service_healthy' } });
    const { config } = loadConfig({ file: join(ROOT, 'config/examples/config.v2.yaml') });
    expect(config.kafka.brokers).toEqual(['kafka:9092']);
    expect(service('kafka').ports).toEqual(['127.0.0.1:19092:19092']);
    expect(loadConfig({ file: join(ROOT, 'config/examples/config.v2.local.yaml') }).config.kafka.brokers).toEqual([
      'localhost:19092',
    ]);
  });

  it('starts the profile universal by health: the registry, then the service, then a generator for each format', () => {
    const members = Object.entries(compose.services).filter(([, { profiles = [] }]) => profiles.length > 0);
    expect(members.map(([name]) => name)).toEqual([
      'registry',
      'ingestor-certs',
      'ingestor',
      ...['json', 'proto', 'avro', 'raw'].map((format) => `generate-${format}`),
    ]);
    for (const [, { profiles, read_only }] of members) expect([profiles, read_only]).toEqual([['universal'], true]);

    const registry = service('registry');
    expect(registry.command?.slice(0, 3)).toEqual(['registry', '--addr', ':8000']);
    expect(registry.ports).toEqual(['127.0.0.1:8000:8000']);
    expect(registry.healthcheck?.test.join(' ')).toContain('localhost:8000/ready');
    expect(existsSync(join(ROOT, registry.environment?.LOGFORGE_REGISTRY_LOAD?.replace('/app/', '') ?? ''))).toBe(true);

    const { command = [], environment: env = {}, ports, healthcheck, depends_on } = service('ingestor');
    const { config } = loadConfig({ file: join(ROOT, command[2]?.replace('/app/', '') ?? ''), env });
    expect(config.registry.url).toBe('http://registry:8000');
    const listening = [config.server.addr, ...config.inputs.map(({ addr }) => addr)];
    expect(listening).toEqual(['0.0.0.0:3000', '0.0.0.0:3001', '0.0.0.0:3002']);
    expect(ports).toEqual(['127.0.0.1:3000:3000', '127.0.0.1:3001:3001', '127.0.0.1:3002:3002/udp']);
    expect(healthcheck?.test.join(' ')).toContain('localhost:3000/ready');
    expect(depends_on).toEqual({
      registry: { condition: 'service_healthy' },
      'ingestor-certs': { condition: 'service_completed_successfully' },
    });

    for (const format of ['json', 'proto', 'avro', 'raw']) {
      const generator = service(`generate-${format}`);
      const words = generator.command?.join(' ');
      expect(words).toContain(`generate --format ${format} --batch 4000 --interval 10 --addr ingestor:3001 `);
      expect(words).toContain('--registry http://registry:8000');
      expect(generator.depends_on).toEqual({ ingestor: { condition: 'service_healthy' } });
    }
  });

  it('declares every volume that it mounts, and mounts only what exists', () => {
    for (const { volumes = [] } of Object.values(compose.services)) {
      for (const volume of volumes) {
        const [source = ''] = volume.split(':');
        const exists = existsSync(join(ROOT, source)) || MADE.includes(source);
        expect(source.startsWith('./') ? exists : source in compose.volumes).toBe(true);
      }
    }
  });

  it('runs a valid script of node as its health check', () => {
    const [, program, , script = ''] = service('app-v1').healthcheck?.test ?? [];
    expect(program).toBe('node');
    expect(() => new Function(script)).not.toThrow();
  });
});

describe('Dockerfile', () => {
  it('copies only files that exist and that .dockerignore allows', () => {
    const ignored = read('.dockerignore').split('\n');
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) =>
      (match[1] ?? '').split(' '),
    );
    for (const path of copied.filter((one) => one !== '.')) {
      expect(existsSync(join(ROOT, path))).toBe(true);
      expect(ignored).toContain(`!${path}`);
    }
    for (const line of ignored.filter((one) => one.startsWith('!')))
      expect(existsSync(join(ROOT, line.slice(1)))).toBe(true);
  });

  it('has the version of the package in its label', () => {
    const { version } = JSON.parse(read('package.json'));
    expect(dockerfile).toContain(`org.opencontainers.image.version="${version}"`);
  });

  it('starts the launcher as a user without rights', () => {
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(dockerfile).toContain('ENTRYPOINT ["/app/bin/logforge"]');
    const [, command = '[]'] = /^CMD (.+)$/m.exec(dockerfile) ?? [];
    const config = JSON.parse(command)[2].replace('/app/', '');
    expect(existsSync(join(ROOT, config))).toBe(true);
  });
});
