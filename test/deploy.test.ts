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
}
const compose: { readonly services: Readonly<Record<string, ComposeService>>; readonly volumes: object } = parse(
  read('docker-compose.yml'),
  { merge: true },
);
const dockerfile = read('Dockerfile');

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

  it('declares every volume that it mounts, and mounts only what exists', () => {
    for (const { volumes = [] } of Object.values(compose.services)) {
      for (const volume of volumes) {
        const [source = ''] = volume.split(':');
        expect(source.startsWith('./') ? existsSync(join(ROOT, source)) : source in compose.volumes).toBe(true);
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
