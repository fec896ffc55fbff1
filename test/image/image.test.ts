import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, beforeEach, describe } from 'vitest';
import { INSTALL_TIMEOUT_MS } from '../support/debian.ts';
import { type Engine, NoEngineError, openEngine } from '../support/docker-engine.ts';
import { REPOSITORY } from '../support/service.ts';
import { BASE_IMAGE, buildImage, ensureBaseImage } from './base-image.ts';
import { type Containers, createContainers } from './containers.ts';
import { describeImage } from './contents.case.ts';
import { describeVersion1 } from './version1.case.ts';
import { describeVersion2 } from './version2.case.ts';

/*
 * The image of the Dockerfile, built and run by a Docker engine. Where no engine answers and none can start, these tests are
 * skipped, and say why.
 */
const TAG = 'logforge:test';
const COMMIT = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: REPOSITORY, encoding: 'utf8' }).trim();

let engine: Engine | undefined;
let containers: Containers | undefined;
let whyNot: string | undefined;

beforeAll(async () => {
  try {
    engine = await openEngine(BASE_IMAGE);
  } catch (error) {
    if (!(error instanceof NoEngineError)) throw error;
    whyNot = error.message;
    process.stderr.write(`image: skipped: ${whyNot}\n`);
    return;
  }
  const base = await ensureBaseImage(engine);
  process.stderr.write(`image: built by ${engine.name} from ${base}\n`);
  await buildImage(engine, TAG, COMMIT);
  containers = await createContainers(engine, TAG);
}, INSTALL_TIMEOUT_MS);

beforeEach(({ skip }) => skip(whyNot !== undefined, whyNot));

afterAll(async () => {
  await containers?.cleanUp();
  await engine?.stop();
});

function own(): Containers {
  if (containers === undefined) throw new Error('no image was built');
  return containers;
}

describe('the image', () => describeImage(own, COMMIT));
describe('version 1 in a container', () => describeVersion1(own));
describe('version 2 in a container', () => describeVersion2(own));
