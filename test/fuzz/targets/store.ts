import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join as joinPath } from 'node:path';
import { readLetters } from '../../../src/cli/dlq-files.ts';
import { DamagedFiles, describeDamage } from '../../../src/disk/damaged-files.ts';
import { openCheckpoint } from '../../../src/inputs/files/checkpoint.ts';
import { lookAt } from '../../../src/inputs/files/identity.ts';
import { hourToPath } from '../../../src/model/hour.ts';
import { SummaryFormatError } from '../../../src/model/summary.ts';
import { createSummaryFiles } from '../../../src/repo/summaries.ts';
import { verifyStorage } from '../../../src/repo/verify.ts';
import type { Random } from '../../support/random.ts';
import { foldersOf, HOURS, LINES, LOG_CONTENT, LOG_PLACE, openStore, STORE, storeFiles } from '../build-store.ts';
import { type FuzzTarget, promise } from '../fuzz.ts';
import { join, split, withHead } from '../headed.ts';
import { idsOf, lineOf } from '../lines.ts';
import { mutateBytes, withoutPieces } from '../mutate.ts';
import { makeTemporaryFolder, removeTemporaryFolder } from '../temporary.ts';

/*
 * A whole store in which one file is damaged: journal, keys, answers, sequence, hour file, summary, checksums, dead letters, notes of damage,
 * or the checkpoint of a replay. All readers of it go on or end with an error of their own. A start loses and doubles no line that stands in
 * another file, gives no line that nobody wrote, and stores new batches.
 */

interface Head {
  /** The damaged file, relative to the store. */
  readonly file: string;
}

const FILES = storeFiles();
const NEW_ID = 900;

export const storeTarget: FuzzTarget = {
  name: 'store',
  runsPerSecond: 12,
  make(random: Random) {
    const file = random.pick(FILES);
    // Now and then another file of the store in its place.
    return join<Head>({
      head: { file },
      body: readFileSync(joinPath(STORE, random.chance(0.05) ? random.pick(FILES) : file)),
    });
  },
  mutate: (input, random) => withHead((body) => mutateBytes(body, random))(input),
  *simpler(input) {
    const { head, body } = split<Head>(input);
    for (const simpler of withoutPieces(body)) yield join({ head, body: simpler });
  },
  async check(input) {
    const { head, body } = split<Head>(input);
    const dir = makeTemporaryFolder('store');
    try {
      cpSync(STORE, dir, { recursive: true });
      mkdirSync(dirname(joinPath(dir, head.file)), { recursive: true });
      writeFileSync(joinPath(dir, head.file), body);
      await checkTexts(dir);
      await checkStart(dir, head.file);
      checkSummaries(dir, head.file, body);
    } finally {
      removeTemporaryFolder(dir);
    }
  },
};

/** The error of a reader says what it cannot do. Any other is thrown again. */
function mustBeDeclared(error: unknown): void {
  const isDeclared = error instanceof Error && error.constructor === Error && error.message.startsWith('cannot ');
  if (!isDeclared) throw error;
}

async function checkTexts(dir: string): Promise<void> {
  const { dlqDir, stateDir } = foldersOf(dir);
  const file = FILES.find((name) => name.startsWith('dlq/')) ?? '';
  const lines = readFileSync(joinPath(dir, file), 'utf8')
    .split('\n')
    .filter((line) => line !== '').length;
  let letters = 0;
  for await (const letter of readLetters({ path: joinPath(dlqDir, file.slice('dlq/'.length)) })) {
    letters++;
    if (letter !== undefined)
      promise(
        [letter.content, letter.reason, letter.source].every((text) => typeof text === 'string'),
        () => `no text in ${JSON.stringify(letter)}`,
      );
  }
  promise(letters === lines, () => `${letters} dead letters in ${lines} lines`);
  for (const note of await new DamagedFiles(stateDir).notes()) {
    promise(
      typeof note.file === 'string' && typeof note.reason === 'string',
      () => `no note of damage: ${JSON.stringify(note)}`,
    );
  }
  const described = await describeDamage(stateDir);
  promise(!described?.includes('undefined'), () => described ?? '');
  for (const name of ['checkpoint.json', 'checkpoint']) await checkCheckpoint(dir, name);
}

async function checkCheckpoint(dir: string, name: string): Promise<void> {
  const log = joinPath(dir, 'access.log');
  const path = joinPath(dir, name);
  writeFileSync(log, LOG_CONTENT);
  writeFileSync(path, readFileSync(path, 'latin1').replaceAll(LOG_PLACE, log), 'latin1');
  try {
    const checkpoint = await openCheckpoint(path, { stream: 'access', warn: () => undefined });
    try {
      const seen = await lookAt(log);
      if (seen === undefined) throw new Error('the log is gone');
      const known = await checkpoint.identify(seen);
      if (typeof known === 'string') return;
      promise(known.offset <= LOG_CONTENT.length, () => `reading goes on at ${known.offset} of ${LOG_CONTENT.length}`);
    } finally {
      await checkpoint.close();
    }
  } catch (error) {
    mustBeDeclared(error);
  }
}

async function checkStart(dir: string, damaged: string): Promise<void> {
  try {
    for await (const { place, detail } of verifyStorage(foldersOf(dir)))
      promise(place !== '' && !detail.includes('undefined'), () => `${place}: ${detail}`);
  } catch (error) {
    mustBeDeclared(error);
  }
  const { opening, said } = openStore(dir);
  const repo = await opening.catch(mustBeDeclared);
  if (repo === undefined) return;
  try {
    await repo.append([{ stream: 'access', hour: HOURS[0] ?? 0, count: 1, lines: Buffer.from(lineOf(NEW_ID)) }], {
      idempotency: { key: 'new', bodyHash: 'h', answer: '{"accepted":1}', time: Date.now() },
    });
    await repo.damage();
    repo.idempotency.find({ key: 'k1', bodyHash: 'h' });
  } finally {
    await repo.close();
  }
  for (const [index, hour] of HOURS.entries()) {
    const { day, hh } = hourToPath(hour);
    const name = `logs/${day}/${hh}.log.json`;
    const lines = readFileSync(joinPath(dir, name));
    const isNewThere = index > 0 || `\n${lines.toString('latin1')}`.includes(`\n${lineOf(NEW_ID)}`);
    promise(isNewThere, () => 'a batch that was stored after the start is no line of its own');
    // An hour that somebody shortened and that gets no more batches stays as it is; that is told.
    if (damaged === name) continue;
    const expected = Array.from({ length: LINES }, (_, id) => id).filter((id) => id % HOURS.length === index);
    const found = idsOf(lines).filter((id) => id !== NEW_ID);
    promise(found.join() === expected.join(), () => `${name} has ${found}, not ${expected}; said: ${said}`);
  }
}

function checkSummaries(dir: string, damaged: string, body: Buffer): void {
  const summaries = createSummaryFiles({ analyticsDir: foldersOf(dir).analyticsDir, durability: 'os' });
  for (const hour of HOURS) {
    const { day, hh } = hourToPath(hour);
    const name = `analytics/${day}/summary_${hh}.json`;
    const isChanged = damaged === name && !body.equals(readFileSync(joinPath(STORE, name)));
    try {
      summaries.check({ stream: 'access', hour });
      const summary = summaries.read({ stream: 'access', hour });
      promise(!isChanged, () => `a changed summary is read: ${JSON.stringify(summary)}`);
      promise(summary?.total === LINES / HOURS.length, () => `${summary?.total} requests`);
    } catch (error) {
      if (!(error instanceof SummaryFormatError)) throw error;
    }
  }
}
