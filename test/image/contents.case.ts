import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CONFIG_EXIT_CODE } from '../../src/cli/config-options.ts';
import { REPOSITORY } from '../support/service.ts';
import type { Containers } from './containers.ts';
import { docker, inspect, runOn } from './docker.ts';

/** More than the code and its libraries need, and less than the development dependencies. */
const MAX_OWN_BYTES = 64 * 1024 * 1024;
const MAX_LAYERS_OF_OURS = 8;

interface ImageConfig {
  readonly User: string;
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly ExposedPorts: object;
  readonly Volumes: object;
  readonly Labels: Readonly<Record<string, string>>;
}

interface Package {
  readonly version: string;
  readonly license: string;
  readonly description: string;
  readonly devDependencies: Readonly<Record<string, string>>;
}

// Files of this repository.
const manifest = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as Package;
const { packages: locked } = JSON.parse(readFileSync(join(REPOSITORY, 'package-lock.json'), 'utf8')) as {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
};
/** Without those that a library of the service takes too. */
const forDevelopment = Object.keys(manifest.devDependencies).filter((name) => locked[`node_modules/${name}`]?.dev);

/** What is in the image, and what `docker inspect` shows of it. */
export function describeImage(own: () => Containers, commit: string): void {
  it('says what it is in its labels and in `logforge version`', async () => {
    const { engine, image } = own();
    const config = await inspect<ImageConfig>(engine, '.Config', image);
    expect(config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'logforge',
      'org.opencontainers.image.description': manifest.description,
      'org.opencontainers.image.version': manifest.version,
      'org.opencontainers.image.revision': commit,
      'org.opencontainers.image.licenses': manifest.license,
    });
    const said = await docker(engine, 'run', '--rm', '--network', 'none', image, 'version');
    expect(said).toContain(manifest.version);
    expect(said).toContain(commit.slice(0, 7));
  });

  it('runs the launcher as the user node, with a volume and two ports', async () => {
    const { engine, image } = own();
    const config = await inspect<ImageConfig>(engine, '.Config', image);
    expect(config.User).toBe('node');
    expect(config.Entrypoint).toEqual(['/app/bin/logforge']);
    expect(config.Cmd.slice(0, 2)).toEqual(['serve', '--config']);
    expect(Object.keys(config.Volumes)).toEqual(['/data']);
    expect(Object.keys(config.ExposedPorts).sort()).toEqual(['8082/tcp', '8083/tcp']);
  });

  it('has no development dependency, no test and no source, and nothing of it belongs to the user', async () => {
    const { engine, image } = own();
    const list = async (...expression: readonly string[]) => {
      const run = ['run', '--rm', '--network', 'none', '--entrypoint', 'find', image];
      const found = await docker(engine, ...run, '/app', ...expression);
      return found.split('\n').filter(Boolean);
    };
    expect(forDevelopment).toContain('vitest');
    const packages = forDevelopment.flatMap((name) => ['-o', '-path', `*/node_modules/${name}`]);
    expect(await list('(', ...packages.slice(1), ')')).toEqual([]);
    expect(
      await list('-not', '-path', '*/node_modules/*', '(', '-name', '*.test.*', '-o', '-name', '*.case.*', ')'),
    ).toEqual([]);
    expect(await list('-not', '-path', '*/node_modules/*', '-name', '*.ts')).toEqual([]);
    expect(await list('-type', 'd', '-empty')).toEqual([]);
    expect(await list('-not', '-user', 'root')).toEqual([]);
    // The list is right: it finds what is there.
    expect(await list('-path', '*/node_modules/pino/package.json')).toHaveLength(1);
  });

  it('adds little to its base', async () => {
    const { engine, image } = own();
    const said = await docker(
      engine,
      'history',
      '--no-trunc',
      '--human=false',
      '--format',
      '{{.Size}} {{.CreatedBy}}',
      image,
    );
    const layers = said
      .split('\n')
      .map((line) => ({ bytes: Number(line.split(' ')[0]), by: line.slice(line.indexOf(' ') + 1) }))
      .filter(({ bytes }) => bytes > 0);
    const ours = layers.filter(({ by }) => /COPY|RUN|mkdir/.test(by) && !/ADD|apt-get|yarn|nodejs\.org/.test(by));
    const size = ours.reduce((sum, { bytes }) => sum + bytes, 0);
    const whole = await inspect<number>(engine, '.Size', image);
    const mb = (bytes: number) => (bytes / 1e6).toFixed(1);
    process.stderr.write(`image: ${mb(whole)} MB, ${mb(size)} MB of it in ${ours.length} layers of its own\n`);
    expect(size).toBeGreaterThan(1024 * 1024);
    expect(size).toBeLessThan(MAX_OWN_BYTES);
    expect(ours.length).toBeLessThanOrEqual(MAX_LAYERS_OF_OURS);
  });

  it('checks a configuration without a network, a volume or rights', async () => {
    const { engine, image } = own();
    const run = ['docker', 'run', '--rm', '--network', 'none', '--read-only', '--cap-drop', 'ALL', image] as const;
    expect((await runOn(engine, [...run, 'validate', '/app/config/examples/config.v2.yaml'])).code).toBe(0);
    const wrong = await runOn(engine, [...run, 'serve', '--config', '/no/such/file.yaml']);
    expect(wrong.code).toBe(Number(Object.keys(CONFIG_EXIT_CODE)[0]));
    expect(wrong.stderr).toContain('/no/such/file.yaml');
  });
}
