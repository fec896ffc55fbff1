import { describe, expect, it } from 'vitest';
import { type BodyPart, cutByHours, halve, recordsOf } from './body-parts.ts';
import { accessLine } from './slice-fixture.case.ts';

const bodyOf = (hours: readonly number[]) => Buffer.from(hours.map((hour, i) => accessLine(`/${i}`, hour)).join(''));
const pathsOf = (body: Buffer, part: BodyPart) =>
  [...recordsOf(body, part)].map((line) => Number(/"path":"\/(\d+)"/.exec(line.toString())?.[1]));

describe('a body is cut by hours', () => {
  it.each<[number[], number, number[][]]>([
    [[0, 1, 2], 3, [[0, 1, 2]]],
    [[0, 1, 2, 3], 3, [[0, 1, 2], [3]]],
    [
      [0, 0, 1, 0, 1, 2, 2, 0],
      2,
      [
        [0, 1, 2, 3, 4],
        [5, 6, 7],
      ],
    ],
    [[5, 4, 3, 2], 1, [[0], [1], [2], [3]]],
    // Another day, month and year at the same hour.
    [[0, 24, 31 * 24, 365 * 24], 1, [[0], [1], [2], [3]]],
  ])('%j, at most %i in a part', (hours, maxHours, expected) => {
    const body = bodyOf(hours);
    const parts = cutByHours(body, hours.length, maxHours);
    expect(parts.map((part) => pathsOf(body, part))).toEqual(expected);
    expect(parts.map(({ first, end }) => end - first)).toEqual(expected.map(({ length }) => length));
    expect(Buffer.concat(parts.map(({ from, to }) => body.subarray(from, to)))).toEqual(body);
  });

  it('lines of another form count for no hour, and a last line needs no newline', () => {
    const body = Buffer.from(`{"a":1}\n\n${accessLine('/2', 1)}{"timestamp":"x"}`);
    expect(cutByHours(body, 4, 2)).toEqual([{ first: 0, end: 4, from: 0, to: body.length }]);
  });
});

it('a part is halved by records down to one', () => {
  const body = bodyOf([0, 0, 0, 0, 0]);
  const down = (part: BodyPart): number[][] =>
    part.end - part.first === 1 ? [pathsOf(body, part)] : halve(body, part).flatMap(down);
  expect(down({ first: 0, end: 5, from: 0, to: body.length })).toEqual([[0], [1], [2], [3], [4]]);
});
