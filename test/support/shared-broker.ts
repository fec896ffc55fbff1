import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { keepClassArchive } from './broker-cache.ts';
import { freePort, startBrokerProcess, stopBrokerProcess } from './broker-process.ts';

/*
 * One broker for all tests of a run that do not stop or kill it. The first test that needs it starts it, and it ends with the
 * run. KAFKA_BROKERS names a running one instead. Each test uses its own topics and groups.
 */

const FOLDER_VARIABLE = 'TEST_BROKER_DIR';
/** The first broker of a machine writes the archive of classes that later ones start from. */
const CLASSES = 'classes.jsa';
const WAIT_MS = 90_000;
const POLL_MS = 100;

/** Vitest's global set-up: makes the folder of the broker, and ends the broker after the run. */
export async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'logforge-broker-'));
  process.env[FOLDER_VARIABLE] = folder;
  return async () => {
    await stopBrokerProcess(join(folder, 'broker'));
    await keepClassArchive(join(folder, CLASSES));
    await rm(folder, { recursive: true, force: true });
  };
}

/** The shared brokers, as the list for a client. */
export async function sharedBrokers(): Promise<readonly string[]> {
  const configured = process.env.KAFKA_BROKERS;
  if (configured !== undefined && configured !== '') return configured.split(',');
  const folder = process.env[FOLDER_VARIABLE];
  if (folder === undefined) throw new Error('vitest runs without test/support/shared-broker.ts as its global set-up');
  const result = join(folder, 'result');
  const first = await mkdir(join(folder, 'lock')).then(
    () => true,
    () => false,
  );
  if (first) {
    await writeFile(`${result}.new`, await startShared(folder));
    await rename(`${result}.new`, result);
  }
  for (const end = Date.now() + WAIT_MS; !existsSync(result); await sleep(POLL_MS)) {
    if (Date.now() > end) throw new Error('the shared broker did not start in time');
  }
  const text = await readFile(result, 'utf8');
  if (!/^[\d.:]+$/.test(text)) throw new Error(`cannot start the shared broker: ${text}`);
  return [text];
}

async function startShared(folder: string): Promise<string> {
  try {
    const port = await freePort();
    await startBrokerProcess({
      dir: join(folder, 'broker'),
      port,
      javaOptions: ['-XX:TieredStopAtLevel=1'],
      classArchive: join(folder, CLASSES),
    });
    return `127.0.0.1:${port}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
