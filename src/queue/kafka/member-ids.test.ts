import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestLog } from '../../../test/support/queues.ts';
import { openMemberIds } from './member-ids.ts';

let stateDir: string;
let path: string;
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'logforge-members-'));
  path = join(stateDir, 'kafka-members.json');
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

function open(groupId = 'g', stream = 'access') {
  const log = createTestLog();
  return { ids: openMemberIds({ stateDir, stream, groupId, log }), log };
}

test('the ids of a process are those of the dead for the next one, in its group', () => {
  const { ids, log } = open();
  expect(ids.dead).toEqual([]);
  ids.add('a');
  ids.add('b');
  ids.add('a');
  expect(readFileSync(path, 'utf8')).toBe('{"groupId":"g","members":["a","b"]}\n');
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(open().ids.dead).toEqual(['a', 'b']);
  expect(open('another').ids.dead).toEqual([]);
  expect(log.entries).toEqual([]);
});

test('each stream has a group of its own, and a file', () => {
  open().ids.add('a');
  open('g-events', 'events').ids.add('b');
  expect(open().ids.dead).toEqual(['a']);
  expect(open('g-events', 'events').ids.dead).toEqual(['b']);
});

test('the dead are kept until the group was left for them, also when this process dies before that', () => {
  open().ids.add('a');
  const { ids } = open();
  ids.add('b');
  expect(open().ids.dead).toEqual(['a', 'b']);
  ids.forgetDead();
  expect(open().ids.dead).toEqual(['b']);
});

test('the file does not grow with consumers that are replaced', () => {
  const { ids } = open();
  for (let n = 0; n < 140; n++) ids.add(`m-${n}`);
  const { dead } = open().ids;
  expect(dead).toHaveLength(128);
  expect(dead.at(-1)).toBe('m-139');
});

test.each([
  '',
  '{',
  'null',
  '[]',
  '{"groupId":"g"}',
  '{"groupId":5,"members":[]}',
])('a damaged file, %j, is no list', (text) => {
  writeFileSync(path, text);
  const { ids, log } = open();
  expect(ids.dead).toEqual([]);
  expect(log.entries).toEqual(['warn cannot read the ids of the consumers of the last run']);
  ids.add('a');
  expect(open().ids.dead).toEqual(['a']);
});

test('what is no id is left out', () => {
  writeFileSync(path, JSON.stringify({ groupId: 'g', members: ['a', 5, '', null, 'x'.repeat(600)] }));
  expect(open().ids.dead).toEqual(['a']);
});

test('a folder that cannot be written to is told in the log, and stops nothing', () => {
  rmSync(stateDir, { recursive: true });
  const { ids, log } = open();
  ids.add('a');
  expect(log.entries).toEqual(['warn cannot remember the ids of the consumers']);
});
