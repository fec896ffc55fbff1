import { ACCESS_STREAM } from '../../../src/model/stream.ts';
import { type QueryTexts, readRecordQuery } from '../../../src/query/query.ts';
import { createQueryRun } from '../../../src/query/run-query.ts';
import type { Random } from '../../support/random.ts';
import { type FuzzTarget, promise } from '../fuzz.ts';
import { join, split, withHead } from '../headed.ts';
import { lineOf } from '../lines.ts';
import { mutateBytes, withoutPieces } from '../mutate.ts';

/** The search in hour files: whatever their bytes, it ends, gives whole lines of the file in their order, and every line with the text. */

interface Head {
  readonly texts: QueryTexts;
  readonly format: 'ndjson' | 'csv';
  /** Bytes that one read gives at most. */
  readonly readBytes: number;
}

const CONDITIONS = ['path=/3', 'id>=4', '!x', 'x!=y', 'level<WARN', 'a.b=1'];
/** As after a flipped bit or an edit by hand. */
const BROKEN = ['"\\x41"', '"\\q"', '"\\u12"', '-', '[1,]'];
const CONTAINS = ['"id":1', 'xxx', '/2', '}', '\u2028'];

export const queryTarget: FuzzTarget = {
  name: 'query',
  runsPerSecond: 300,
  make(random: Random) {
    const texts: QueryTexts = {
      limit: 'all',
      ...(random.chance(0.5) && { where: [random.pick(CONDITIONS)] }),
      ...(random.chance(0.5) && { contains: random.pick(CONTAINS) }),
      ...(random.chance(0.2) && { matches: '"id":[0-9]+' }),
      ...(random.chance(0.2) && { from: '2025-11-22T10:00:00Z', to: '2025-11-22T10:59:00Z' }),
      ...(random.chance(0.2) && { fields: 'id,path,x.y' }),
    };
    const format = random.chance(0.2) ? 'csv' : 'ndjson';
    const head: Head = { texts, format, readBytes: random.pick([1, 100, 1_000_000]) };
    const lines = Array.from({ length: random.int(0, 12) }, (_, i) =>
      random.chance(0.1) ? lineOf(i).replace('"path":', `"path":${random.pick(BROKEN)},"other":`) : lineOf(i),
    ).join('');
    return join({ head, body: Buffer.from(lines) });
  },
  mutate: (input, random) => withHead((body) => mutateBytes(body, random))(input),
  *simpler(input) {
    const { head, body } = split<Head>(input);
    for (const simpler of withoutPieces(body)) yield join({ head, body: simpler });
  },
  check(input) {
    const { head, body } = split<Head>(input);
    const { where, contains, matches, from, fields } = head.texts;
    const [found, foundBackward] = [search(head, body, 'asc'), search(head, body, 'desc')];
    // A cell may have newlines in it.
    if (head.format === 'csv') return promise(found.length === foundBackward.length, () => 'other cells backward');
    const forward = linesOf(found);
    const backward = linesOf(foundBackward);
    promise(forward.toReversed().join('\n') === backward.join('\n'), () => 'other records backward than forward');
    if (fields !== undefined) return promise(linesOf(found, 'utf8').every(isObject), () => 'a record that is not JSON');
    const lines = linesOf(body).filter((line) => line !== '');
    let at = 0;
    for (const line of forward.filter((one) => one !== '')) {
      at = lines.indexOf(line, at) + 1;
      promise(at > 0, () => `no line of the file, or out of order: ${JSON.stringify(line)}`);
    }
    if (where !== undefined || matches !== undefined || from !== undefined) return;
    const text = Buffer.from(contains ?? '').toString('latin1');
    const expected = lines.filter((line) => line.includes(text));
    promise(forward.filter((line) => line !== '').length === expected.length, () => 'not every line with the text');
  },
};

function search({ texts, format, readBytes }: Head, body: Buffer, order: string): Buffer {
  const run = createQueryRun(readRecordQuery({ ...texts, order }, format), ACCESS_STREAM, {
    openHour: () => ({
      size: body.length,
      read: (target, offset, length, position) =>
        body.copy(target, offset, position, Math.min(body.length, position + Math.min(length, readBytes))),
      close: () => undefined,
    }),
    rangeOf: () => undefined,
  });
  run.add([{ stream: 'access', hour: HOUR, path: '', bytes: body.length }], true);
  const pieces: Buffer[] = [];
  for (let state = 'more'; state !== 'done'; ) {
    const step = run.step();
    promise(step.damaged.length === 0, () => `damage: ${JSON.stringify(step.damaged)}`);
    pieces.push(step.bytes);
    state = step.state;
  }
  return Buffer.concat(pieces);
}

const HOUR = Date.UTC(2025, 10, 22, 10) / 3_600_000;

/** Whole lines, byte for byte. What stands after the last newline is none. */
function linesOf(bytes: Buffer, encoding: BufferEncoding = 'latin1'): string[] {
  return bytes.toString(encoding).split('\n').slice(0, -1);
}

function isObject(line: string): boolean {
  try {
    return typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
}
