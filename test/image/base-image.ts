import { execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ensurePackage, isOnPath } from '../support/debian.ts';
import type { Engine } from '../support/docker-engine.ts';
import { REPOSITORY } from '../support/service.ts';
import { docker, runOn } from './docker.ts';

const run = promisify(execFile);

/** What the Dockerfile begins with. */
export const BASE_IMAGE = 'node:26-slim';
/** On images that stand in for public ones, with what they are made from. */
export const STAND_IN_LABEL = 'logforge.stand-in';
const DEBIAN = 'bookworm';

/** Makes the base image available to the engine and says which one it is. */
export async function ensureBaseImage(engine: Engine): Promise<string> {
  const made = `debootstrap ${DEBIAN}, node ${process.version}`;
  const label = await standInLabel(engine, BASE_IMAGE);
  if (label === '') return `${BASE_IMAGE}, the public image`;
  if (label !== made) {
    if (label === undefined && (await runOn(engine, ['docker', 'pull', '--quiet', BASE_IMAGE])).code === 0) {
      return `${BASE_IMAGE}, the public image`;
    }
    await makeStandIn(engine, made);
  }
  return `a stand-in for ${BASE_IMAGE}, which cannot be pulled here (${made})`;
}

/** Undefined without the image, empty for a public one. */
export async function standInLabel(engine: Engine, image: string): Promise<string | undefined> {
  const format = `{{with .Config.Labels}}{{index . "${STAND_IN_LABEL}"}}{{end}}`;
  const { code, stdout } = await runOn(engine, ['docker', 'image', 'inspect', '--format', format, image]);
  return code === 0 ? stdout.trim() : undefined;
}

/**
 * A small Debian with this Node.js, this machine's npm and a user `node` with uid 1000. npm in it uses the registry and the
 * certificates that npm uses on this machine.
 */
async function makeStandIn(engine: Engine, made: string): Promise<void> {
  if (!engine.isOurs) throw new Error(`cannot pull image=${BASE_IMAGE}`);
  await ensurePackage('debootstrap', () => isOnPath('debootstrap'));
  const root = await mkdtemp(join(tmpdir(), 'logforge-base-'));
  try {
    await run('debootstrap', ['--variant=minbase', '--include=libatomic1,libstdc++6', DEBIAN, root]).catch((cause) => {
      throw new Error(`cannot make a Debian with debootstrap: ${cause.stdout}`, { cause });
    });
    await run('chroot', [root, 'useradd', '--uid', '1000', '--create-home', '--shell', '/bin/bash', 'node']);
    await installNode(root);
    for (const folder of ['var/cache/apt', 'var/lib/apt/lists', 'var/log']) {
      await rm(join(root, folder), { recursive: true, force: true });
    }
    await importRoot(engine, root, ['CMD ["node"]', `LABEL ${STAND_IN_LABEL}="${made}"`]);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function installNode(root: string): Promise<void> {
  const local = join(root, 'usr/local');
  await cp(join(REPOSITORY, 'node_modules/node/bin/node'), join(local, 'bin/node'));
  const { stdout: cli } = await run('sh', ['-c', 'readlink -f "$(command -v npm)"']);
  const npm = dirname(dirname(cli.trim()));
  await cp(npm, join(local, 'lib/node_modules/npm'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin/npm'));
  const lines = [`registry=${await npmSays('config', 'get', 'registry')}`];
  const certificates = process.env.NODE_EXTRA_CA_CERTS ?? (await npmSays('config', 'get', 'cafile'));
  if (certificates !== '' && certificates !== 'null') {
    await cp(certificates, join(local, 'etc/npm-certificates.crt'));
    lines.push('cafile=/usr/local/etc/npm-certificates.crt');
  }
  await writeFile(join(local, 'etc/npmrc'), `${lines.join('\n')}\n`);
}

async function npmSays(...args: readonly string[]): Promise<string> {
  return (await run('npm', args)).stdout.trim();
}

async function importRoot(engine: Engine, root: string, changes: readonly string[]): Promise<void> {
  const tar = spawn('tar', ['-C', root, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const options = changes.flatMap((change) => ['--change', change]);
  const { code, stderr } = await runOn(engine, ['docker', 'import', ...options, '-', BASE_IMAGE], {
    started: ({ stdin }) => {
      if (stdin !== null) tar.stdout.pipe(stdin);
    },
  });
  if (code !== 0) throw new Error(`cannot import image=${BASE_IMAGE}: ${stderr}`);
}

/** Builds the project's Dockerfile. npm in it uses the network of the machine. Removes what an earlier build left. */
export async function buildImage(engine: Engine, tag: string, commit: string): Promise<void> {
  const build = ['build', '--network', 'host', '--build-arg', `BUILD_COMMIT=${commit}`];
  // With a name, the first stage is kept for the next build.
  await docker(engine, ...build, '--target', 'build', '--tag', `${tag}-build`, REPOSITORY);
  await docker(engine, ...build, '--tag', tag, REPOSITORY);
  if (engine.isOurs) await docker(engine, 'image', 'prune', '--force');
}
