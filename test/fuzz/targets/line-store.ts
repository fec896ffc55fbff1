import { parseJson } from '../../../src/lines/parse-json.ts';
import { openToWrite } from '../../../src/repo/line-store/database.ts';
import { createLineReader } from '../../../src/repo/line-store/line-reader.ts';
import { LineWriter } from '../../../src/repo/line-store/line-writer.ts';
import type { Random } from '../../support/random.ts';
import { type FuzzTarget, promise } from '../fuzz.ts';

/** Batches of the line store: whatever their bytes, each is stored whole or not at all, and what is read is what a plain map holds. */

const NAMES = ['h', '/f', 'ü', 'a\nb', '\u{1f600}'];
const NUMBERS = [0, 1, 2, 5, 2 ** 53 - 1];
const WRONG = [-1, 1.5, 2 ** 53, '1', null, '', {}, '\ud800'];
/** Stands between the bodies of one input. */
const SEPARATOR = '\u001e';

function makeBody(random: Random): string {
  const batch = Array.from({ length: random.int(0, 4) }, () => ({
    host: random.pick(NAMES),
    file: random.pick(NAMES),
    'line-num': random.pick(NUMBERS),
    content: random.pick([...NAMES, '', 'x'.repeat(100)]),
    ...(random.chance(0.3) && { generation: random.pick(['', 'g', 'k']) }),
    ...(random.chance(0.1) && { [random.pick(['host', 'line-num', 'content', 'generation'])]: random.pick(WRONG) }),
  }));
  return JSON.stringify({ batch, ...(random.chance(0.5) && { size: batch.length }) });
}

export const lineStoreTarget: FuzzTarget = {
  name: 'line-store',
  runsPerSecond: 200,
  make: (random) => Buffer.from(Array.from({ length: random.int(1, 4) }, () => makeBody(random)).join(SEPARATOR)),
  async check(input) {
    const database = openToWrite(':memory:');
    try {
      const writer = new LineWriter(database, { maxLineBytes: 1_000 });
      const bodies = input.toString('latin1').split(SEPARATOR);
      const outcomes = await Promise.all(bodies.map((body) => writer.append(Buffer.from(body, 'latin1'))));
      const model = new Map<string, Map<number, string>>();
      for (const [at, { kind }] of outcomes.entries()) {
        promise(kind !== 'unavailable', () => `body ${at} is ${kind}`);
        if (kind === 'stored') keep(model, Buffer.from(bodies[at] ?? '', 'latin1'));
      }
      const reader = createLineReader(database);
      const logs = reader.list(undefined);
      promise(logs.length === model.size, () => `${logs.length} logs, expected ${model.size}`);
      for (const log of logs) {
        const lines = model.get(JSON.stringify([log.host, log.file, log.generation])) ?? new Map<number, string>();
        const expected = [...lines].toSorted(([a], [b]) => a - b);
        promise(log.lines === lines.size && log.last === expected.at(-1)?.[0], () => `wrong counts of ${log.file}`);
        const piece = reader.read({ id: log.id, from: 0, to: log.last + 1 });
        const text = expected.map(([, content]) => `${content}\n`).join('');
        promise(Buffer.from(piece.bytes).toString() === text, () => `other lines of ${log.file}`);
        promise(piece.missing === log.last + 1 - lines.size, () => `${piece.missing} lines of ${log.file} are missing`);
      }
    } finally {
      database.close();
    }
  },
};

interface Item {
  readonly host: string;
  readonly file: string;
  readonly generation?: string | null;
  readonly 'line-num': number;
  readonly content: string;
}

function keep(model: Map<string, Map<number, string>>, body: Buffer): void {
  const { batch } = parseJson(new TextDecoder().decode(body)) as { readonly batch: readonly Item[] };
  for (const { host, file, generation, 'line-num': number, content } of batch) {
    const key = JSON.stringify([host, file, generation ?? '']);
    const lines = model.get(key) ?? new Map<number, string>();
    model.set(key, lines.set(number + 0, content));
  }
}
