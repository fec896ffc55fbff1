import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DAY } from '../../support/batch-maker.ts';
import type { Random } from '../../support/random.ts';
import { runLogforge } from '../../support/run.ts';
import { type Dirs, serviceEnv } from '../../support/service.ts';
import { eventually, type StoredSummary } from '../../support/storage.ts';
import type { Allowance, Fault, Round } from '../reliability.ts';
import { type Damage, damageFile } from './damage-file.ts';

/*
 * Bits flip, sectors become zeros and tails vanish in the files of a service, between its end and its next start.
 */

/** The number of the newest commit is written within 50 ms (src/repo/sequence-file.ts). Then a missing end of the journal is seen. */
const SEQUENCE_SETTLED_MS = 120;
const SUMMARISED_WITHIN_MS = 20_000;

/** All that a service may say of damage. */
const DAMAGE_ERRORS: Allowance['errors'] = [
  /^an entry of (the commit journal|a file of idempotency keys|the spool) was damaged and could be corrected; nothing is lost$/,
  /^the commit journal is damaged; records stay in their files$/,
  /^a file of idempotency keys is damaged; repeats of some batches will be stored again$/,
  /^a data file is shorter than committed: somebody shortened or deleted it$/,
  /^another program changed a data file; it is taken as it is$/,
  /^a summary is damaged; its hour will be counted again$/,
  /^cannot read the commit journal; data files are taken as they are$/,
  /^the commit journal is older than the hour files, or lost its newest entries; records stay in their files$/,
  /damage/,
];

interface Target {
  readonly name: string;
  /** Files that can be damaged. */
  files(dirs: Dirs): readonly string[];
  /** What the damage excuses besides lines in the log. */
  allow(damage: Damage): Allowance;
  /** Whether `logforge verify` must report the file, or the one of `reportedAs`, before the next start. */
  isReported(damage: Damage): boolean;
  readonly reportedAs?: string;
  /** What must hold after the next start. */
  check?(round: Round): Promise<void>;
}

const within = (folder: string, pattern: RegExp): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile() && statSync(path).size > 0)
    .sort();

/** Whether or not `logforge verify` has something to say at the end of the life. */
const MAY_REPORT = { damageReports: [/(?:)/] } as const;

const journal: Target = {
  name: 'journal',
  files: ({ state }) => within(state, /^journal-\d+\.log$/),
  // Lines stay in their hour files; the keys of a damaged entry are lost with it.
  allow: () => ({ ...MAY_REPORT, forgottenKeys: true }),
  isReported: () => true,
  // An end that looks like an unfinished write is one, until the number of the newest commit says otherwise.
  reportedAs: '.logforge.seq',
};

const keys: Target = {
  name: 'keys',
  files: ({ state }) => within(state, /^(keys|answers)-\d+\.log$/),
  allow: () => ({ ...MAY_REPORT, forgottenKeys: true }),
  isReported: ({ isTail }) => !isTail,
};

const hours: Target = {
  name: 'hours',
  files: ({ logs }) => within(logs, new RegExp(`^${DAY}/\\d\\d\\.log\\.json$`)),
  allow: ({ lines }) => ({ ...MAY_REPORT, damagedLines: lines }),
  // A flip in a value leaves a line of JSON: no checksum covers the lines of an hour file.
  isReported: ({ isTail, breaksJson }) => !isTail && breaksJson,
};

const sequence: Target = {
  name: 'sequence',
  files: ({ logs }) => within(logs, /^\.logforge\.seq$/),
  // A number that is too high would say that commits are missing: it has a checksum.
  allow: () => ({}),
  isReported: () => false,
};

const summaries: Target = {
  name: 'summaries',
  files: ({ analytics }) => within(analytics, new RegExp(`^${DAY}/summary_\\d\\d\\.json$`)),
  allow: () => ({}),
  isReported: () => true,
  check: checkAnalytics,
};

const checksums: Target = {
  name: 'checksums',
  files: ({ analytics }) => within(analytics, /^\.checksums\/.*\.json$/),
  allow: () => ({}),
  isReported: () => false,
  check: checkAnalytics,
};

/** Whether a line counts: a fault of an earlier round may have broken some. */
function isRecord(line: string): boolean {
  try {
    const record = JSON.parse(line) as Record<string, unknown>;
    return ['timestamp', 'path', 'userAgent'].every((name) => typeof record[name] === 'string');
  } catch {
    return false;
  }
}

/** Every hour is answered 503 until its summary is right, and then counts what its file has, or had when it was counted. */
async function checkAnalytics({ node, receiver, damagedLines }: Round): Promise<void> {
  const { logs } = node.dirs;
  const names = within(logs, new RegExp(`^${DAY}/\\d\\d\\.log\\.json$`));
  for (const path of names) {
    const hour = `${DAY}T${basename(path).slice(0, 2)}`;
    const lines = readFileSync(path, 'utf8').split('\n').filter(isRecord).length;
    await eventually(async () => {
      const response = await fetch(`${receiver().url}/analytics?hour=${hour}`);
      if (response.status !== 200) throw new Error(`GET /analytics of ${hour} is ${response.status}`);
      const summary = (await response.json()) as StoredSummary;
      const sum = Object.values(summary.requestsPerPath).reduce((all, each) => all + each, 0);
      // A line that was broken after it was counted stays counted.
      const [least, most] = [lines, lines + damagedLines()];
      const isRight = summary.totalRequests >= least && summary.totalRequests <= most && sum === summary.totalRequests;
      if (!isRight || summary.hour !== `${hour}:00:00Z`) {
        throw new Error(`GET /analytics of ${hour} counts ${summary.totalRequests} and ${sum} of ${lines} lines`);
      }
    }, SUMMARISED_WITHIN_MS);
  }
}

function createBitFlips(target: Target): Fault {
  return {
    name: `bit-flips-${target.name}`,
    versions: [1],
    weight: 0.5,
    kind: 'alone',
    async strike(round) {
      const { random, node, whenAcknowledged, endLoad, allow, note, count } = round;
      await whenAcknowledged(random.int(10, 40));
      await endLoad();
      await sleep(SEQUENCE_SETTLED_MS);
      const signal = random.pick(['SIGTERM', 'SIGKILL'] as const);
      await node.end(signal);
      count(signal === 'SIGKILL' ? 'kills' : 'stops');
      const files = target.files(node.dirs);
      if (files.length === 0) {
        note(`no file of ${target.name} yet`);
        return;
      }
      const damage = harm(random, files);
      note(`${basename(damage.path)} ${damage.text} after ${signal}`);
      allow({ errors: DAMAGE_ERRORS ?? [], ...target.allow(damage) });
      if (target.isReported(damage)) await expectReport(node.dirs, damage, target);
      await node.start();
      await target.check?.(round);
    },
  };
}

function harm(random: Random, files: readonly string[]): Damage {
  const path = random.pick(files);
  const { bytes, ...damage } = damageFile(path, readFileSync(path), random);
  writeFileSync(path, bytes);
  return damage;
}

async function expectReport(dirs: Dirs, { path, text }: Damage, { reportedAs = path }: Target): Promise<void> {
  const { stdout, stderr } = await runLogforge(['verify'], { env: serviceEnv(dirs) });
  const reported = stdout.split('\n').filter((line) => line.startsWith('DAMAGED'));
  if (reported.some((line) => line.includes(path) || line.includes(reportedAs))) return;
  throw new Error(`logforge verify does not report ${path} (${text})\n${stdout}${stderr}`);
}

export const BIT_FLIPS: readonly Fault[] = [journal, keys, hours, sequence, summaries, checksums].map(createBitFlips);
