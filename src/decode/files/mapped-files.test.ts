import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { parseFieldMap } from '../../model/field-map.ts';
import { UnreadableFileError } from './file-reading.ts';
import { EVENTS, readFile, readInBlocks } from './open-reading.case.ts';

const MAP = parseFieldMap('timestamp=when,path=request.uri|url,userAgent=agent,client=ip,status=code');
const RECORD = {
  timestamp: '2026-03-05T10:00:01Z',
  path: '/a',
  userAgent: 'curl/8',
  client: '192.0.2.1',
  status: 200,
};
const OBJECT = { when: 1_772_704_801, request: { uri: '/a' }, agent: 'curl/8', ip: '192.0.2.1', code: '200', other: 1 };
const LINE = JSON.stringify(OBJECT);
const HEADER = 'ip,When,request.uri,Agent,code,other';
const ROW = '192.0.2.1,05/Mar/2026:11:00:01 +0100,/a,curl/8,200,1';
const COMBINED = '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5 "-" "curl/8"';

describe('a file with a map', () => {
  test.each([
    ['lines of JSON', 'ndjson', `${LINE}\n${LINE}\n`],
    ['lines of JSON that a program has prefixed', 'ndjson', `web-1  | ${LINE}\nweb-1  | ${LINE}\n`],
    [
      'lines in those of a container',
      'ndjson',
      `${JSON.stringify({ log: `${LINE}\n`, stream: 'stdout' })}\n`.repeat(2),
    ],
    ['a JSON array', 'json', `[${LINE},\n${LINE}]\n`],
    ['CSV with a header', 'csv', `${HEADER}\n${ROW}\n\n${ROW}\r\n`],
  ])('is stored as its sources say: %s', (_, format, content) => {
    expect(readFile(content, { map: MAP })).toMatchObject({ format, records: [RECORD, RECORD], reasons: [] });
    for (const record of readFile(content, { map: MAP }).records) expect(record).toEqual(RECORD);
  });

  it('keeps the required fields alone with core', () => {
    const { timestamp, path, userAgent } = RECORD;
    for (const content of [LINE, `[${LINE}]`, `${HEADER}\n${ROW}\n`]) {
      expect(readFile(content, { map: MAP, fields: 'core' }).records).toEqual([{ timestamp, path, userAgent }]);
    }
  });

  it('may be of the object that another line is wrapped in', () => {
    const map = parseFieldMap('timestamp=time,path=log');
    expect(readFile(`${JSON.stringify({ log: `${COMBINED}\n`, time: 1 })}\n`, { map })).toMatchObject({
      format: 'ndjson',
      records: [{ timestamp: '1970-01-01T00:00:01Z', path: COMBINED }],
    });
  });

  it('is refused where it has fields of its own, recognised, known or named', () => {
    const message =
      'the file is read as combined, which has fields of its own; a map is for JSON lines, a JSON array, and CSV with a header';
    for (const options of [{}, { format: 'combined' }, { recognised: 'combined' }] as const) {
      expect(() => readFile(`${COMBINED}\n`, { map: MAP, ...options })).toThrow(new UnreadableFileError(message));
    }
    expect(() => readFile('free text\n', { ...EVENTS, map: MAP })).toThrow('is read as text');
  });

  it('may be empty', () => {
    for (const content of ['', '\n']) expect(readFile(content, { map: MAP }).records).toEqual([]);
  });
});

describe('the example of docs/files.md', () => {
  it('is stored as it says', () => {
    const [, section = ''] = readFileSync('docs/files.md', 'utf8').split('This is a line of Caddy');
    const blocks = [...section.matchAll(/```(?:json|sh)\n(.*)\n```/g)].map(([, line = '']) => line);
    const [line = '', command = '', stored = ''] = blocks;
    // As a shell gives it: without the quotes.
    const map = parseFieldMap(/--map (\S+)/.exec(command)?.[1]?.replaceAll("'", '') ?? '');
    expect(readFile(line, { map }).records.map((record) => JSON.stringify(record))).toEqual([stored]);
  });
});

describe('CSV with a map', () => {
  it('is recognised by the columns that the map names, and read on after its header', () => {
    const content = Buffer.from(`${HEADER}\n${`${ROW}\n`.repeat(5)}`);
    expect(readInBlocks(content, [1, 2], { map: MAP })).toMatchObject({
      format: 'csv',
      records: Array(5).fill(RECORD),
    });
  });

  it('takes the first source that says something, and the columns of the stream for what the map does not name', () => {
    const file = 'time,uri,url,User-Agent,y\n2026-03-05T10:00:01Z,/b,-,,1\n2026-03-05T10:00:01Z,/b,/a,curl/8,\n';
    expect(readFile(file, { map: parseFieldMap('path=url|uri,z=y') }).records).toEqual([
      { timestamp: '2026-03-05T10:00:01Z', path: '/b', userAgent: '-', z: '1' },
      { timestamp: '2026-03-05T10:00:01Z', path: '/a', userAgent: 'curl/8', z: '' },
    ]);
  });

  test.each([
    [
      'when,target\n1772704801,/a\n',
      'the CSV header has no column "request.uri" or "url" for path; its columns are "when", "target"',
    ],
    ['url,agent\n/a,b\n', 'the CSV header has no column "when" for timestamp; its columns are "url", "agent"'],
    [
      '2026-03-05T10:00:01Z,/a,b\n',
      'the first row of the CSV file is no header, since it has a time; a map needs the names of columns',
    ],
  ])('is refused where a column that it needs is not there: %j', (content, message) => {
    expect(() => readFile(content, { map: MAP, format: 'csv' })).toThrow(new UnreadableFileError(message));
  });

  it('says by row what cannot be read', () => {
    const content = `${HEADER}\n${ROW},x\n${ROW.replace('05/Mar/2026', 'soon')}\n${ROW}\n"a\n`;
    const { reasons, records } = readFile(content, { map: MAP });
    expect(records).toEqual([RECORD]);
    expect(reasons).toEqual([
      '2: has 7 columns, expected 6',
      '3: invalid timestamp "soon:11:00:01 +0100" in "When"',
      '5: not CSV: a quote is not closed',
    ]);
  });

  it('is of any stream', () => {
    const map = parseFieldMap('message=text,service=app');
    const content = 'ts,severity,text,app,host\n1772704801,warn,slow,api,h\n1772704801,loud,slow,api,h\n';
    expect(readFile(content, { ...EVENTS, map })).toMatchObject({
      records: [{ timestamp: '2026-03-05T10:00:01Z', level: 'WARN', message: 'slow', service: 'api' }],
      reasons: ['3: invalid level: "loud"'],
    });
  });
});
