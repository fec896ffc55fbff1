import { existsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { DamageReport } from '../disk/damage-report.ts';
import { DamagedFiles } from '../disk/damaged-files.ts';
import { DirectoryInUseError, lockDirectories } from '../disk/lock.ts';
import { createLog, type Log } from '../log.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { systemClock } from '../model/clock.ts';
import { openSpool } from '../queue/spool/spool.ts';
import { verifySpool } from '../queue/spool/verify-spool.ts';
import { openRepo } from '../repo/file-repo.ts';
import { openSchemaStore } from '../repo/schema-store.ts';
import { describeLog, type Finding, verifyStorage } from '../repo/verify.ts';
import { listSchemaStores, verifySchemas } from '../repo/verify-schemas.ts';
import { type Command, EXIT, type Io, type Options } from './command.ts';
import {
  CONFIG_ENVIRONMENT,
  CONFIG_EXIT_CODE,
  configFileOption,
  configKeyOptions,
  loadCliConfig,
} from './config-options.ts';
import { parseFlags } from './parse-flags.ts';
import { print, printable, table } from './print.ts';

const options = {
  ...configFileOption,
  'logs-dir': configKeyOptions['logs-dir'],
  'analytics-dir': configKeyOptions['analytics-dir'],
  'state-dir': configKeyOptions['state-dir'],
  'dlq-dir': configKeyOptions['dlq-dir'],
  repair: {
    help: 'Mend what a start of the service would mend: make the commit journal and the log of the schema registry again from what can be read, end hour files with a whole line, and take note of all damage, so that GET /ready does not name it any more.',
  },
  restored: {
    help: 'After a restore from a backup: begin a new generation of every hour, so that nobody takes a new record for an old one. Implies --repair.',
  },
} satisfies Options;

export const verify: Command = {
  name: 'verify',
  summary: 'check the folders of a stopped service for damage, and mend it',
  help: {
    synopsis: ['verify [OPTION]...', 'verify --repair [OPTION]...', 'verify --restored [OPTION]...'],
    description: [
      'Reads the commit journal, the files of idempotency keys, the log of the schema registry, the spool, every line of the hour files and of the dead letters, and the summaries. Prints a table with a row for each file and for each damage that was found before. Without --repair it changes nothing.',
      'It cuts off no whole line. Bytes that cannot be used go to the folder damaged in storage.stateDir. Lines that are not JSON stay in their files: correct them by hand.',
      'A service that runs on the same folders owns them: then this command prints an error and changes nothing.',
    ],
    examples: [
      { text: 'After an error in the log that names damage:', command: 'logforge verify --config /etc/logforge.yaml' },
      { text: 'The same, and mend it:', command: 'logforge verify --repair --config /etc/logforge.yaml' },
      { text: 'After a restore from a backup:', command: 'logforge verify --restored --config /etc/logforge.yaml' },
    ],
    exitCodes: {
      1: 'Something is damaged and was not mended, a service owns the folders, or a folder does not exist.',
      ...CONFIG_EXIT_CODE,
    },
    environment: CONFIG_ENVIRONMENT,
  },
  options,
  async run(args, io) {
    const { values } = parseFlags(args, options, { maxPositionals: 0 });
    const { repair, restored, ...settings } = values;
    const { config } = loadCliConfig(settings, io);
    for (const key of ['logsDir', 'stateDir'] as const) {
      if (!existsSync(config.storage[key]))
        throw new Error(`cannot find the folder storage.${key}=${config.storage[key]}`);
    }
    try {
      const isSound = await check(config, io);
      if (!repair && !restored) return isSound ? EXIT.ok : EXIT.failure;
      await mend(config, { io, beginsGenerations: restored === true });
      return (await check(config, io)) ? EXIT.ok : EXIT.failure;
    } catch (error) {
      if (!(error instanceof DirectoryInUseError)) throw error;
      throw new Error(`${error.message}: stop the service first`, { cause: error });
    }
  },
};

/** Prints what stands in the folders. Gives whether all of it is sound. */
async function check({ storage }: Config, io: Io): Promise<boolean> {
  const lock = lockDirectories([storage.stateDir, storage.logsDir, storage.dlqDir].filter((dir) => existsSync(dir)));
  try {
    const findings: Finding[] = [];
    for await (const finding of verifyStorage(storage)) findings.push(finding);
    for await (const finding of verifySchemas(storage.stateDir)) findings.push(finding);
    for await (const { path, ...log } of verifySpool(storage.stateDir)) {
      findings.push({ place: path, ...describeLog(log) });
    }
    const rows = findings.map(({ place, isSound, detail }) => [
      isSound ? 'ok' : 'DAMAGED',
      printable(place),
      printable(detail),
    ]);
    const damaged = findings.filter(({ isSound }) => !isSound).length;
    await print(io.stdout, table([['STATUS', 'FILE', 'FOUND'], ...rows]));
    await print(
      io.stdout,
      damaged === 0 ? 'no damage found\n' : `${damaged} of ${findings.length} places are damaged\n`,
    );
    return damaged === 0;
  } finally {
    lock.release();
  }
}

/** Does what a start does, and a stop, and takes note of the damage. */
async function mend(config: Config, { io, beginsGenerations }: { io: Io; beginsGenerations: boolean }): Promise<void> {
  const { storage, logging } = config;
  const log = createLog({ level: logging.level, format: logging.format, stream: io.stderr });
  try {
    await openAndClose(config, { log, beginsGenerations });
  } finally {
    log.close();
  }
  const notes = await new DamagedFiles(storage.stateDir).acknowledge();
  if (notes !== undefined) await print(io.stdout, `what was damaged is listed in ${notes}\n`);
}

async function openAndClose(
  { storage, ingestion, server, queue }: Config,
  { log, beginsGenerations }: { readonly log: Log; readonly beginsGenerations: boolean },
): Promise<void> {
  const metrics = createMetrics({ defaultMetrics: false });
  const { logsDir, dlqDir, stateDir, durability } = storage;
  const repo = await openRepo({
    logsDir,
    dlqDir,
    stateDir,
    durability,
    beginsGenerations,
    idempotency: { windowMs: ingestion.idempotencyWindow, maxKeys: ingestion.idempotencyMaxKeys },
    maxWaitMs: server.requestTimeout,
    maxBatchBytes: ingestion.maxBatchBytes,
    metrics,
    log,
  });
  try {
    await mendSchemas(stateDir, log);
    if (!existsSync(`${stateDir}/spool`)) return;
    const spool = await openSpool({ dir: stateDir, maxBytes: queue.spool.maxBytes, metrics, log });
    await spool.close();
  } finally {
    await repo.close();
  }
}

/** A start of the registry writes its log again, and keeps what it cannot read. */
async function mendSchemas(dir: string, log: Log): Promise<void> {
  for (const name of await listSchemaStores(dir)) {
    const report = new DamageReport({ stateDir: dir, count: () => undefined, clock: systemClock, log });
    const store = await openSchemaStore({ dir, name, report, log });
    await store.close();
  }
}
