import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/*
 * What brokers share, in a cache that outlives the runs of the tests: the jars, an archive of their loaded classes, and the
 * folder of data of a new broker. The archive and the folder spare a start about two thirds of its time.
 */

export const run = promisify(execFile);
const KAFKA_VERSION = '4.1.2';

/** The folder of the jars: `$XDG_CACHE_HOME/logforge/kafka-<version>`. */
function cacheFolder(): string {
  const root = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(root, 'logforge', `kafka-${KAFKA_VERSION}`);
}

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>logforge</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.3</version></dependency>
  </dependencies>
</project>
`;

/** The folder of the jars. Maven fetches them when they are missing. Several processes may call this at once. */
export async function ensureJars(): Promise<string> {
  const libs = join(cacheFolder(), 'libs');
  if (existsSync(libs)) return libs;
  await mkdir(cacheFolder(), { recursive: true });
  const work = await mkdtemp(join(cacheFolder(), 'fetch-'));
  try {
    await writeFile(join(work, 'pom.xml'), POM);
    const target = join(work, 'libs');
    const goals = ['dependency:copy-dependencies', `-DoutputDirectory=${target}`, '-DincludeScope=runtime'];
    await run('mvn', ['-q', '-B', '-f', join(work, 'pom.xml'), ...goals], { maxBuffer: 16 * 1024 * 1024 });
    await rename(target, libs).catch((error: unknown) => {
      if (!existsSync(libs)) throw error;
    });
    return libs;
  } catch (cause) {
    const hint = 'a broker without a container engine needs Maven (mvn) and Java 17 or newer (java)';
    throw new Error(`cannot fetch Kafka ${KAFKA_VERSION}: ${messageOf(cause)}; ${hint}`, { cause });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The archive of classes for this Java: whether it is there or not. Another Java has one of its own. */
async function archivePath(): Promise<string> {
  const { stderr } = await run('java', ['-version']);
  return join(cacheFolder(), `classes-${createHash('sha256').update(stderr).digest('hex').slice(0, 12)}.jsa`);
}

/** Options of Java for a broker: the archive of classes, or, where there is none yet, that it is written to `file` at SIGTERM. */
export async function classArchiveOptions(file: string | undefined): Promise<readonly string[]> {
  const path = await archivePath();
  if (existsSync(path)) return [`-XX:SharedArchiveFile=${path}`];
  return file === undefined ? [] : [`-XX:ArchiveClassesAtExit=${file}`];
}

/** Keeps the archive that a broker wrote, if it did, for those that start from now on. */
export async function keepClassArchive(file: string): Promise<void> {
  if (!existsSync(file)) return;
  const path = await archivePath();
  const copy = `${path}.${process.pid}`;
  await copyFile(file, copy);
  await rename(copy, path);
}

/** Gives a broker that has never run its folder of data. `format` makes one, with our cluster and node id: it runs once for all brokers. */
export async function makeDataFolder(data: string, format: () => Promise<void>): Promise<void> {
  const kept = join(cacheFolder(), 'formatted');
  if (existsSync(kept)) return cp(kept, data, { recursive: true });
  await format();
  const copy = await mkdtemp(join(cacheFolder(), 'formatted-'));
  await cp(data, copy, { recursive: true });
  await rename(copy, kept).catch(async (error: unknown) => {
    await rm(copy, { recursive: true, force: true });
    if (!existsSync(kept)) throw error;
  });
}

/** With what a program wrote to standard error. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stderr = 'stderr' in error && typeof error.stderr === 'string' ? error.stderr.trim() : '';
  return stderr === '' ? error.message : `${error.message}\n${stderr}`;
}
