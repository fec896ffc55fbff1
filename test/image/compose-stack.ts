import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ensureJars } from '../support/broker-cache.ts';
import { cacheRoot } from '../support/debian.ts';
import { COMPOSE_SUBNET, type Engine, HOST_GATEWAY } from '../support/docker-engine.ts';
import { ensurePrometheus } from '../support/prometheus.ts';
import { REPOSITORY } from '../support/service.ts';
import { BASE_IMAGE } from './base-image.ts';
import { runOn } from './docker.ts';

const run = promisify(execFile);
const COMPOSE_VERSION = 'v2.40.3';

/** Docker Compose as a plugin of an engine of the tests, built from its Go module once: Debian has only its first version. */
export async function ensureCompose(engine: Engine): Promise<void> {
  const folder = join(cacheRoot(), `docker-compose-${COMPOSE_VERSION}`);
  const program = join(folder, 'docker-compose');
  if (!existsSync(program)) await buildCompose(folder);
  const plugins = join(engine.env.DOCKER_CONFIG ?? '', 'cli-plugins');
  await mkdir(plugins, { recursive: true });
  await rm(join(plugins, 'docker-compose'), { force: true });
  await symlink(program, join(plugins, 'docker-compose'));
}

async function buildCompose(folder: string): Promise<void> {
  const work = await mkdtemp(`${folder}-`);
  try {
    const module = `github.com/docker/compose/v2@${COMPOSE_VERSION}`;
    const { stdout } = await run('go', ['mod', 'download', '-json', module], { cwd: work });
    // The answer of the go command, in its documented form.
    const { Dir } = JSON.parse(stdout) as { readonly Dir: string };
    const source = join(work, 'source');
    await cp(Dir, source, { recursive: true });
    await run('chmod', ['-R', 'u+w', source]);
    const out = join(work, 'out');
    await mkdir(out);
    const build = ['build', '-trimpath', '-ldflags=-s -w', '-o', join(out, 'docker-compose'), './cmd'];
    await run('go', build, { cwd: source, env: { ...process.env, CGO_ENABLED: '0' }, maxBuffer: 16 * 1024 * 1024 });
    await rename(out, folder);
  } catch (cause) {
    throw new Error(`cannot build Docker Compose ${COMPOSE_VERSION}; it needs go`, { cause });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Does for the settings of the compose file what the image of Kafka does: KAFKA_LOG_DIRS becomes log.dirs. */
const START_KAFKA = [
  `env | sed -n 's/^KAFKA_//p' | while IFS== read -r name value; do echo "$(echo "$name" | tr A-Z_ a-z.)=$value"; done > /tmp/kafka`,
  'kafka() { exec /opt/java/bin/java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "/opt/kafka/libs/*" "$@"; }',
  '(kafka kafka.tools.StorageTool format --ignore-formatted --config /tmp/kafka --cluster-id bG9nZm9yZ2UtYnJva2VyMQ)',
  'kafka kafka.Kafka /tmp/kafka',
].join(' && ');

/** Images under the public names, whose programs are those of this machine, mounted by the override below. */
export async function makePublicImages(
  engine: Engine,
  images: { readonly kafka: string; readonly prometheus: string },
) {
  const check = String.raw`RUN mkdir -p /opt/kafka/bin && printf '#!/bin/bash\nexec 3<>/dev/tcp/localhost/9092\n' > /opt/kafka/bin/kafka-broker-api-versions.sh && chmod +x /opt/kafka/bin/*`;
  const kafka = ['FROM', BASE_IMAGE, `\n${check}\nENTRYPOINT`, JSON.stringify(['bash', '-c', START_KAFKA])];
  await build(engine, images.kafka, kafka.join(' '));
  await build(engine, images.prometheus, `FROM ${BASE_IMAGE}\nENTRYPOINT ["/bin/prometheus"]\nCMD []\n`);
}

async function build(engine: Engine, tag: string, dockerfile: string): Promise<void> {
  const { code, stdout, stderr } = await runOn(engine, ['docker', 'build', '--tag', tag, '-'], {
    started: ({ stdin }) => void stdin?.end(dockerfile),
  });
  if (code !== 0) throw new Error(`cannot build image=${tag}: ${stdout}${stderr}`);
}

/**
 * What the tests change in docker-compose.yml: ports that the system chooses, a network whose gateway is known, a small volume for
 * version 1, health checks each second, and the programs of the two public images.
 */
export async function writeOverride(file: string): Promise<void> {
  await ensurePrometheus();
  const { stdout: java } = await run('sh', ['-c', 'readlink -f "$(command -v java)"']);
  const home = dirname(dirname(java.trim()));
  const mounts = [`${home}:/opt/java:ro`, `${await ensureJars()}:/opt/kafka/libs:ro`];
  // Debian keeps the settings of its Java apart, and the Java has links there.
  const settings = dirname(await realpath(join(home, 'lib/jvm.cfg')).catch(() => ''));
  if (settings.startsWith('/etc/')) mounts.push(`${settings}:${settings}:ro`);
  const app = (port: number) => `
    build: { network: host }
    ports: !override ["127.0.0.1::${port}"]
    healthcheck: { interval: 1s, retries: 3 }`;
  await writeFile(
    file,
    `services:
  kafka:
    ports: !override ["127.0.0.1::19092"]
    volumes: ${JSON.stringify(mounts)}
    healthcheck: { interval: 1s, retries: 150 }
  app-v1:${app(8082)}
  app-v2:${app(8083)}
  prometheus:
    ports: !override ["127.0.0.1::9090"]
    volumes: ["/usr/bin/prometheus:/bin/prometheus:ro"]
networks:
  default: { ipam: { config: [{ subnet: ${COMPOSE_SUBNET}, gateway: ${HOST_GATEWAY} }] } }
volumes:
  v1-data: { driver_opts: { type: tmpfs, device: tmpfs, o: "size=32m,uid=1000,gid=1000,mode=755" } }
`,
  );
}

/** The settings by which make and docker compose run the changed stack. */
export function composeEnv(override: string): Record<string, string> {
  return {
    COMPOSE_FILE: `${join(REPOSITORY, 'docker-compose.yml')}:${override}`,
    COMPOSE_PROJECT_NAME: 'logforge-test',
  };
}
