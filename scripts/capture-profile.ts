/**
 * `make capture-profile-v1`, `-v2`: starts a service with PROFILE_CAPTURE=1 on new folders, puts load on it, stops it, and
 * prints where its threads spent their time. The profiles stay in profiles/. The data is deleted.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeDirs, REPOSITORY, removeDirs, startService } from '../test/support/service.ts';
import { runLoadTest } from './loadtest.ts';
import { topFunctions } from './top-functions.ts';

const PROFILES = join(REPOSITORY, 'profiles');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    batch: { type: 'string', default: '1000' },
    connections: { type: 'string', default: '16' },
    duration: { type: 'string', default: '10' },
    threads: { type: 'string', default: '1' },
  },
});

async function main(): Promise<number> {
  const [version] = positionals;
  if (version !== '1' && version !== '2') throw new Error('name the version to profile: 1 or 2');
  const name = `v${version}`;
  const service = await startService({
    dirs: await makeDirs('logforge-profile-'),
    args: ['--version', version],
    env: {
      PROFILE_CAPTURE: '1',
      PROFILE_NAME: name,
      PROFILE_DIR: PROFILES,
      LOGFORGE_SERVER_THREADS: values.threads,
      ...(version === '2' && { LOGFORGE_KAFKA_BROKERS: process.env.LOGFORGE_KAFKA_BROKERS ?? 'localhost:19092' }),
    },
  });
  let ok = false;
  try {
    ok = await runLoadTest({
      url: service.url,
      batch: Number(values.batch),
      connections: Number(values.connections),
      duration: Number(values.duration),
      progress: process.stderr.isTTY === true,
    });
  } finally {
    await service.stop();
    await removeDirs(service.dirs);
  }
  for (const file of readdirSync(PROFILES).sort()) {
    if (!file.startsWith(`cpu_${name}.`)) continue;
    process.stdout.write(`\nprofiles/${file}\n${topFunctions(readFileSync(join(PROFILES, file), 'utf8'))}`);
  }
  return ok ? 0 : 1;
}

process.exitCode = await main();
