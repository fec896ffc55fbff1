import { describe, expect, it } from 'vitest';
import { type CompressedHourFile, DataFiles } from './data-files.ts';
import { WaitingLines } from './waiting-lines.ts';

const dataFiles = new DataFiles({ logsDir: '/logs', dlqDir: '/dlq' });
const fileOf = (hour: number): CompressedHourFile => dataFiles.ofHour({ stream: 'access', hour }).compressed;
const piece = (text: string) => [{ lines: Buffer.from(text), records: 1 }];
const LIMITS = { hourBytes: 10, allBytes: 20, ms: 60_000 };

describe('lines that wait', () => {
  it('are a copy, because the memory of a batch is used again', () => {
    const waiting = new WaitingLines(LIMITS);
    const lines = Buffer.from('a\n');
    waiting.add(fileOf(1), [{ lines, records: 1 }]);
    const copy = waiting.copyOf(fileOf(1));
    lines.fill(0);
    expect(waiting.piecesOf(fileOf(1)).map((one) => one.lines.toString())).toEqual(['a\n']);
    expect(Buffer.from(copy ?? []).toString()).toBe('a\n');
  });

  it('are counted by file and in all, until they are deleted', () => {
    const waiting = new WaitingLines(LIMITS);
    waiting.add(fileOf(1), [...piece('a\n'), ...piece('bc\n')]);
    waiting.add(fileOf(2), piece('d\n'));
    expect([waiting.bytes, waiting.bytesOf(fileOf(1)), waiting.files]).toEqual([7, 5, [fileOf(1), fileOf(2)]]);
    waiting.delete(fileOf(1));
    waiting.delete(fileOf(1));
    expect([waiting.bytes, waiting.bytesOf(fileOf(1)), waiting.piecesOf(fileOf(1))]).toEqual([2, 0, []]);
    expect(waiting.copyOf(fileOf(1))).toBeUndefined();
  });

  it('are due when those of an hour are enough', () => {
    const waiting = new WaitingLines(LIMITS);
    waiting.add(fileOf(1), piece('123456789'));
    waiting.add(fileOf(2), piece('1'));
    expect(waiting.due()).toEqual([]);
    waiting.add(fileOf(1), piece('0'));
    expect(waiting.due()).toEqual([fileOf(1)]);
  });

  it('are due when all are too many: those first that have waited longest', () => {
    const waiting = new WaitingLines(LIMITS);
    for (const hour of [1, 2, 3, 4]) waiting.add(fileOf(hour), piece('12345'));
    waiting.add(fileOf(1), piece('6'));
    expect(waiting.isFull(0)).toBe(true);
    expect(waiting.due()).toEqual([fileOf(2)]);
    expect(waiting.due({ more: 5 })).toEqual([fileOf(2), fileOf(3)]);
    for (const file of waiting.due({ more: 5 })) waiting.delete(file);
    expect([waiting.isFull(5), waiting.bytes]).toEqual([false, 11]);
  });

  it('are due when no more come for a while', () => {
    const waiting = new WaitingLines({ ...LIMITS, ms: 0 });
    waiting.add(fileOf(1), piece('a\n'));
    expect(waiting.due()).toEqual([fileOf(1)]);
  });
});
