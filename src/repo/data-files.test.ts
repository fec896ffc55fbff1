import { describe, expect, it } from 'vitest';
import { parseHour } from '../model/hour.ts';
import { DataFiles } from './data-files.ts';

const dataFiles = new DataFiles({ logsDir: '/logs', dlqDir: '/dlq' });

describe('a reference to a data file', () => {
  it('is the same object, whichever way it was made', () => {
    const hour = parseHour('2015-05-17T10') ?? 0;
    const ofHour = dataFiles.ofHour(hour);
    expect(ofHour).toEqual({ kind: 'hour', hour, name: '2015-05-17T10', path: '/logs/2015-05-17/10.log.json' });
    expect(dataFiles.named('2015-05-17T10')).toBe(ofHour);
    expect(dataFiles.ofHour(hour)).toBe(ofHour);
    expect(dataFiles.ofHour(hour + 1)).not.toBe(ofHour);

    const letters = dataFiles.ofDeadLetters(Date.parse('2015-05-17T23:59:59.999Z'));
    expect(letters).toEqual({ kind: 'dead letters', name: 'dlq/2015-05-17', path: '/dlq/2015-05-17.ndjson' });
    expect(dataFiles.named('dlq/2015-05-17')).toBe(letters);
    expect(dataFiles.ofDeadLetters(Date.parse('2015-05-17T00:00:00Z'))).toBe(letters);
  });

  it('reads back from the name of every hour that a record can have', () => {
    for (const text of ['0001-01-01T00', '1969-12-31T23', '1970-01-01T00', '2024-02-29T12', '9999-12-31T23']) {
      const file = dataFiles.ofHour(parseHour(text) ?? Number.NaN);
      expect(file.name).toBe(text);
      expect(dataFiles.named(text)).toBe(file);
    }
  });

  it('is not made of another name', () => {
    for (const name of [
      '',
      'dlq/',
      'dlq/2015-05-17T10',
      'dlq/2015-02-30',
      '2015-05-17',
      '2015-05-17T24',
      '../x',
      'x/y',
    ])
      expect(() => dataFiles.named(name)).toThrow(`name=${name}`);
  });
});
