import { describe, expect, it } from 'vitest';
import { parseFieldMap } from '../../model/field-map.ts';
import { UnreadableFileError } from './file-reading.ts';
import { ACCESS, EVENTS, readFile } from './open-reading.case.ts';
import { openReading } from './open-reading.ts';

const LINE = '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5 "-" "curl/8"';
const RECORD = '{"timestamp":"2026-03-05T10:00:01Z","path":"/c","userAgent":"curl/8"}';
const EVENT = '{"timestamp":"2026-03-05T10:00:01Z","level":"WARN","message":"slow","service":"api"}';

function utf16(text: string, mark: boolean): Buffer {
  return Buffer.from(`${mark ? '\ufeff' : ''}${text}`, 'utf16le');
}

describe('a file that is no text', () => {
  it.each([
    ['UTF-16 with a mark', utf16(`${LINE}\n`, true), 'text in UTF-16LE, expected UTF-8'],
    ['UTF-16 without one', utf16(`${LINE}\n`, false), 'text in UTF-16LE, expected UTF-8'],
    ['UTF-16 the other way round', utf16(`${LINE}\n`, true).swap16(), 'text in UTF-16BE, expected UTF-8'],
    ['a zip archive', Buffer.from('PK\x03\x04rest'), 'a zip archive'],
    ['a tar archive', Buffer.concat([Buffer.alloc(257, 'a'), Buffer.from('ustar')]), 'a tar archive'],
    ['a journal', Buffer.from('LPKSHHRH\0\0\0'), 'journalctl -o json'],
  ])('is refused as a whole: %s', (_, content, message) => {
    expect(() => readFile(content)).toThrow(UnreadableFileError);
    expect(() => readFile(content)).toThrow(message);
    expect(() => readFile(content, { format: 'combined' })).toThrow(message);
  });
});

describe('a JSON array', () => {
  it.each([
    `[${RECORD},${RECORD}]`,
    `\ufeff [\n  ${RECORD.replaceAll(',', ',\n')},\n${RECORD}\n]\n`,
  ])('is read element by element: %j', (content) => {
    const read = readFile(content);
    expect(read).toMatchObject({ format: 'json', reasons: [], frames: 2 });
    expect(read.records).toEqual([JSON.parse(RECORD), JSON.parse(RECORD)]);
  });

  it('numbers what it cannot read from 1', () => {
    expect(readFile(`[${EVENT},{"level":"INFO"},5]`, EVENTS)).toMatchObject({
      format: 'json',
      records: [{ message: 'slow' }],
      reasons: ['2: missing timestamp', '3: is not an object'],
    });
  });

  it('is none because of a bracket alone', () => {
    for (const first of ['[', '[1', '[2001:db8::1] x', '["a"]']) {
      expect(readFile(`${first}\n${LINE}\n`).format).toBe('combined');
    }
  });

  it('is refused where it is said to be one and is not', () => {
    expect(() => readFile(`${LINE}\n`, { format: 'json' })).toThrow('not a JSON array: it begins with "192.0.2.1');
  });
});

describe('JSON objects over several lines', () => {
  it('are refused as a whole', () => {
    const content = `${JSON.stringify(JSON.parse(RECORD), undefined, 2)}\n`;
    expect(() => readFile(content)).toThrow('a JSON object over several lines; expected one object a line');
    expect(() => readFile(content, EVENTS)).toThrow(UnreadableFileError);
  });
});

describe('files of events', () => {
  it('are JSON lines', () => {
    const read = readFile(`${EVENT}\n\n{"level":"INFO"}\nnot json\n`, EVENTS);
    expect(read).toMatchObject({ format: 'ndjson', records: [JSON.parse(EVENT)], frames: 4 });
    expect(read.reasons).toEqual(['3: missing timestamp', expect.stringMatching(/^4: not JSON: column 2/)]);
  });

  it('are text where most lines are no JSON', () => {
    const content = `2026-03-05T10:00:01Z [ERROR] [auth] login failed\n<6>Jul  2 17:00:01 host cron[12]: ran\n${EVENT}\nfree text of some words\n`;
    const { format, records, reasons } = readFile(content, {
      ...EVENTS,
      arrival: () => Date.UTC(2026, 6, 3),
      service: 'app',
    });
    expect({ format, reasons }).toEqual({ format: 'text', reasons: [] });
    expect(records).toMatchObject([
      { level: 'ERROR', service: 'auth', message: 'login failed' },
      { level: 'WARN', service: 'api' },
      { timestamp: '2026-07-02T17:00:01Z', service: 'cron' },
      { timestamp: '2026-07-03T00:00:00Z', service: 'app', message: 'free text of some words' },
    ]);
  });

  it('have their fields where a map says', () => {
    const map = parseFieldMap('timestamp=ts,message=log.text,level=sev,id=ids[0]');
    const content = `{"ts":1772704801,"sev":"warning","log":{"text":"slow"},"service":"api","ids":[12345678901234567890],"x":1}\n{"ts":1}\nx\n`;
    expect(readFile(content, { ...EVENTS, map })).toMatchObject({
      records: [{ timestamp: '2026-03-05T10:00:01Z', level: 'WARN', message: 'slow', service: 'api' }],
      reasons: ['2: no "sev" for level; the line has: ts', expect.stringMatching(/^3: not JSON/)],
    });
    const { body } = openReading(Buffer.from(content), { ...EVENTS, map }).convert(Buffer.from(content), 1);
    expect(body.toString()).toContain('"id":12345678901234567890}');
  });

  it('keep only the required fields where that is asked for', () => {
    const { records } = readFile(`${EVENT.replace('}', ',"id":7}')}\n`, { ...EVENTS, fields: 'core' });
    expect(records).toEqual([JSON.parse(EVENT)]);
  });

  it('are named in blocks of more invalid lines than a decoder lists', () => {
    const { records, reasons } = readFile(`${'{}\n'.repeat(100_010)}${EVENT}\n`, { ...EVENTS, format: 'ndjson' });
    expect(records).toHaveLength(1);
    expect(reasons).toHaveLength(100_010);
    expect(reasons.at(-1)).toMatch(/^100010: /);
  });

  it('have no access log in them', () => {
    expect(() => readFile(`${LINE}\n`, { ...EVENTS, format: 'combined' })).toThrow(UnreadableFileError);
  });
});

describe('lines', () => {
  it('are read without byte order mark, returns and NULs around them', () => {
    const content = `\ufeff${LINE}\r\n${'\0'.repeat(300)}${LINE}\r\r\n\r\n \t\n${LINE}`;
    expect(readFile(content)).toMatchObject({
      frames: 5,
      reasons: [],
      records: [{}, {}, {}].map(() => JSON.parse(RECORD)),
    });
  });

  it('that are too long are named', () => {
    const { reasons } = readFile(`${LINE}\n${'x'.repeat(4 * 1024 * 1024 + 1)}\n`);
    expect(reasons).toEqual(['2: longer than 4194304 bytes']);
  });

  it('that cannot be read are given as they stand, without their line end', () => {
    const bytes = Buffer.from(`  rubbish\r\n${LINE}\n`);
    const { unreadable } = openReading(bytes, ACCESS).convert(bytes, 1);
    expect(unreadable.map((line) => line.bytes.toString())).toEqual(['  rubbish']);
  });

  it('of JSON have their fields where a map says, also within a wrapper', () => {
    const map = parseFieldMap('timestamp=ts,path=req.uri,userAgent=agent');
    const json = '{"ts":"2026-03-05T10:00:01Z","req":{"uri":"/c"},"agent":"curl/8","message":"a b c"}';
    const wrapped = JSON.stringify({ log: `${json}\n`, stream: 'stdout', time: '2026-03-05T10:00:02Z' });
    const read = readFile(`${json}\n${wrapped}\n{"ts":1}\n${LINE}\n`, { map });
    expect(read.records).toMatchObject([JSON.parse(RECORD), JSON.parse(RECORD), JSON.parse(RECORD)]);
    expect(read.reasons).toEqual(['3: no "req.uri" for path; the line has: ts']);
  });

  it('go on from a state that is none of theirs', () => {
    const bytes = Buffer.from(`${LINE}\n`);
    for (const state of ['timestamp,path,userAgent', '{"', '[']) {
      expect(openReading(bytes, ACCESS, state).convert(bytes, 1).records).toBe(1);
    }
  });

  it('of other logs are named as what they are', () => {
    const apache =
      '[Fri Oct 08 17:08:41.203277 2021] [core:error] [pid 7005:tid 1] [client 192.0.2.1:14532] AH00126: Invalid URI';
    const nginx = '2026/03/05 10:00:01 [error] 7#7: *1 open() "/c" failed (2: No such file or directory)';
    expect(readFile(`${apache}\n${LINE}\n${nginx}\n`)).toMatchObject({
      format: 'combined',
      records: [JSON.parse(RECORD)],
      reasons: [
        '1: a line of an Apache error log, not of an access log',
        '3: a line of an nginx error log, not of an access log',
      ],
    });
  });
});
