import { describe, expect, it } from 'vitest';
import { parseHour } from '../model/hour.ts';
import { DataFiles } from './data-files.ts';

const dataFiles = new DataFiles({ logsDir: '/logs', dlqDir: '/dlq' });

describe('a reference to a data file', () => {
  it('is the same object, whichever way it was made', () => {
    const hour = parseHour('2015-05-17T10') ?? 0;
    const ofHour = dataFiles.ofHour({ stream: 'access', hour });
    expect(ofHour).toMatchObject({
      kind: 'hour',
      stream: 'access',
      hour,
      name: '2015-05-17T10',
      path: '/logs/2015-05-17/10.log.json',
    });
    expect(ofHour.compressed).toEqual({
      kind: 'compressed hour',
      name: '2015-05-17T10',
      path: '/logs/2015-05-17/10.log.json.zst',
      of: ofHour,
    });
    expect(dataFiles.named('2015-05-17T10')).toBe(ofHour);
    expect(dataFiles.ofHour({ stream: 'access', hour })).toBe(ofHour);
    expect(dataFiles.ofHour({ stream: 'access', hour: hour + 1 })).not.toBe(ofHour);

    const ofEvents = dataFiles.ofHour({ stream: 'events', hour });
    expect(ofEvents).toMatchObject({
      kind: 'hour',
      stream: 'events',
      hour,
      name: 'events/2015-05-17T10',
      path: '/logs/events/2015-05-17/10.log.json',
    });
    expect(dataFiles.named('events/2015-05-17T10')).toBe(ofEvents);

    const letters = dataFiles.ofDeadLetters(Date.parse('2015-05-17T23:59:59.999Z'));
    expect(letters).toEqual({ kind: 'dead letters', name: 'dlq/2015-05-17', path: '/dlq/2015-05-17.ndjson' });
    expect(dataFiles.named('dlq/2015-05-17')).toBe(letters);
    expect(dataFiles.ofDeadLetters(Date.parse('2015-05-17T00:00:00Z'))).toBe(letters);
  });

  it('reads back from the name of every hour that a record can have', () => {
    for (const text of ['0001-01-01T00', '1969-12-31T23', '1970-01-01T00', '2024-02-29T12', '9999-12-31T23']) {
      const file = dataFiles.ofHour({ stream: 'access', hour: parseHour(text) ?? Number.NaN });
      expect(file.name).toBe(text);
      expect(dataFiles.named(text)).toBe(file);
    }
  });

  it('tells a stream named dlq from the dead letters', () => {
    const file = dataFiles.named('dlq/2015-05-17T10');
    expect(file).toMatchObject({ kind: 'hour', stream: 'dlq', path: '/logs/dlq/2015-05-17/10.log.json' });
    expect(dataFiles.named('dlq/2015-05-17').kind).toBe('dead letters');
  });

  it('is not made of another name', () => {
    for (const name of [
      '',
      'dlq/',
      'dlq/2015-02-30',
      'access/2015-05-17T10',
      '../2015-05-17T10',
      'Events/2015-05-17T10',
      'a/b/2015-05-17T10',
      '2015-05-17',
      '2015-05-17T24',
      '../x',
      'x/y',
    ])
      expect(() => dataFiles.named(name)).toThrow(`name=${name}`);
  });
});
