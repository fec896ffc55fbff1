import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVENTS, readFile, readInBlocks } from './open-reading.case.ts';

const T = '2026-03-11T00:00:00Z';
const PLAIN = { timestamp: T, path: '/real/path', userAgent: 'Mozilla/5.0' };
const CSV = { name: 'export.csv' };

describe('the header of a CSV file', () => {
  it.each([
    `Timestamp,UserAgent,Path\n${T},Mozilla/5.0,/real/path\n`,
    `time,user_agent,path\n${T},Mozilla/5.0,/real/path\n`,
    `"@timestamp","User-Agent","url"\n${T},Mozilla/5.0,/real/path\n`,
    `request_uri,datetime,http_user_agent\n/real/path,${T},Mozilla/5.0\n`,
    ` DATE , URI , User Agent \r\n${T},/real/path,Mozilla/5.0\r\n`,
    `requestPath,eventTime,ua\n/real/path,${T},Mozilla/5.0`,
    `\ufefftimestamp,path,userAgent\n${T},/real/path,Mozilla/5.0\n`,
    `\n\ntimestamp,path,userAgent\n${T},/real/path,Mozilla/5.0\n`,
    `cs(User-Agent),cs-uri-stem,timestamp\nMozilla/5.0,/real/path,${T}\n`,
  ])('is found by meaning, whatever the case and the spelling: %j', (content) => {
    expect(readFile(content)).toMatchObject({ format: 'csv', records: [PLAIN], reasons: [] });
  });

  it('leaves other columns as extra fields under their own names', () => {
    const { records } = readFile(`Status,time,user_agent,path,"Client IP"\n404,${T},a,/x,192.0.2.1\n`);
    expect(records).toEqual([{ timestamp: T, path: '/x', userAgent: 'a', Status: '404', 'Client IP': '192.0.2.1' }]);
  });

  it('drops the other columns where only the core fields are asked for', () => {
    const { records } = readFile(`status,time,user_agent,path\n404,${T},a,/x\n`, { fields: 'core' });
    expect(records).toEqual([{ timestamp: T, path: '/x', userAgent: 'a' }]);
  });

  it('takes the exact name before one that means the same', () => {
    const { records } = readFile(`date,timestamp,url,path,userAgent\nx,${T},u,/p,a\n`);
    expect(records).toEqual([{ timestamp: T, path: '/p', userAgent: 'a', date: 'x', url: 'u' }]);
  });

  it('gives columns without a name, and with the name of another, the number of the column', () => {
    const { records } = readFile(`,timestamp,path,userAgent,x,x\n7,${T},/p,a,1,2\n`);
    expect(records).toEqual([{ timestamp: T, path: '/p', userAgent: 'a', column1: '7', x: '1', x6: '2' }]);
  });

  it('joins a date and a time of day that have a column each', () => {
    const { records } = readFile(`date,time,cs-uri-stem,cs(User-Agent)\n2026-03-11,10:00:01,/p,a\n`, CSV);
    expect(records).toEqual([{ timestamp: '2026-03-11T10:00:01Z', path: '/p', userAgent: 'a' }]);
  });

  it('stops the file where it has not what is needed, and names what there is', () => {
    const open = () => readFile('when,ip,method\nyesterday,192.0.2.1,GET\n', CSV);
    expect(open).toThrow(
      'the CSV header has no column for timestamp, path and userAgent; its columns are "when", "ip", "method"; needed are timestamp, path and userAgent',
    );
    expect(() => readFile(`time,ip,url\n${T},192.0.2.1,/\n`, CSV)).toThrow('no column for userAgent;');
  });

  it('says so where the columns are separated by something else', () => {
    expect(() => readFile(`timestamp;path;userAgent\n${T};/;a\n`, CSV)).toThrow('not by semicolons');
    expect(() => readFile(`timestamp\tpath\tuserAgent\n${T}\t/\ta\n`, CSV)).toThrow('not by tabs');
  });

  it('may be absent where the first column of the first row is a time', () => {
    expect(readFile(`${T},/real/path,Mozilla/5.0\n`, CSV).records).toEqual([PLAIN]);
    expect(readFile(`${T},/real/path,Mozilla/5.0\n`).format).toBe('csv');
    expect(() => readFile(`/real/path,${T},Mozilla/5.0\n`, CSV)).toThrow('is no header, since it has a time');
  });

  it('is recognised in a file of any name', () => {
    const content = `Time,URL,User-Agent\n${T},/real/path,Mozilla/5.0\n`;
    for (const name of ['a.log', '-', 'x.csv.gz', 'data']) expect(readFile(content, { name }).records).toEqual([PLAIN]);
  });

  it('belongs to other streams too', () => {
    const content = `Time,Severity,App,Msg,host\n${T},warning,api,slow,h1\n`;
    expect(readFile(content, EVENTS).records).toEqual([
      { timestamp: T, level: 'WARN', message: 'slow', service: 'api', host: 'h1' },
    ]);
  });
});

describe('the rows of a CSV file', () => {
  const HEADER = 'timestamp,path,userAgent\n';

  it('are numbered with the header and blank ones', () => {
    const read = readFile(`${HEADER}x,/,a\n\n${T},/,b\n1,2\n`);
    expect(read.reasons).toEqual(['2: invalid timestamp "x"', '5: has 2 columns, expected 3']);
    expect(read).toMatchObject({ records: [{ userAgent: 'b' }], frames: 5 });
  });

  it.each([
    ['2026-03-11 01:02:03', '2026-03-11T01:02:03Z'],
    ['2026-03-11T01:02:03.250', '2026-03-11T01:02:03.25Z'],
    ['2026-03-11T03:02:03+02:00', '2026-03-11T01:02:03Z'],
    ['11/Mar/2026:01:02:03 +0000', '2026-03-11T01:02:03Z'],
    ['1773190923', '2026-03-11T01:02:03Z'],
    ['1773190923250', '2026-03-11T01:02:03.25Z'],
  ])('may have the time as %s', (written, timestamp) => {
    expect(readFile(`${HEADER}${written},/x,a\n`).records).toEqual([{ timestamp, path: '/x', userAgent: 'a' }]);
  });

  it('take the zone of times that have none', () => {
    const { records } = readFile(`${HEADER}2026-03-11 01:02:03,/x,a\n`, { zone: 120 });
    expect(records).toMatchObject([{ timestamp: '2026-03-10T23:02:03Z' }]);
  });

  it('have a dash for an empty user agent', () => {
    expect(readFile(`${HEADER}${T},/x,\n${T},/y,""\n`).records).toMatchObject([{ userAgent: '-' }, { userAgent: '-' }]);
  });

  it('may have a request line in place of the path', () => {
    const { records } = readFile(
      `time,request,agent\n${T},GET /c?x=1 HTTP/1.1,a\n${T},/plain,a\n${T},\\x16\\x03,a\n${T},-,a\n`,
    );
    expect(records).toEqual([
      { timestamp: T, path: '/c?x=1', userAgent: 'a', method: 'GET', protocol: 'HTTP/1.1' },
      { timestamp: T, path: '/plain', userAgent: 'a' },
      { timestamp: T, path: '\\x16\\x03', userAgent: 'a', malformed: true },
      { timestamp: T, path: '-', userAgent: 'a', malformed: true },
    ]);
  });

  it('may hold line ends and quotes in quotes', () => {
    const { records, frames } = readFile(`${HEADER}${T},"/a,b","say ""x""\nagain"\n${T},/c,d\n`);
    expect(records).toMatchObject([{ path: '/a,b', userAgent: 'say "x"\nagain' }, { path: '/c' }]);
    expect(frames).toBe(3);
  });

  it('around one that cannot be read are read', () => {
    const bad = Buffer.concat([Buffer.from(`${T},/`), Buffer.from([0xff]), Buffer.from(',a\n')]);
    const rows = Buffer.concat([
      Buffer.from(`${HEADER}${T},/a,b\n${T},/b "c",d\n`),
      bad,
      Buffer.from(`${T},/c,"e" f\n${T},/d,g\n`),
    ]);
    const read = readFile(rows);
    expect(read.records).toMatchObject([{ path: '/a' }, { path: '/d' }, { path: '/\\xff' }]);
    expect(read.reasons).toEqual([
      '3: not CSV: a quote inside an unquoted value',
      '5: not CSV: text after a closing quote',
    ]);
  });

  it('give the same in any blocks', () => {
    const row = fc.constantFrom(
      `${T},/a,b`,
      `${T},"/a ""q""","b\nc"`,
      '2026-03-11 05:00:00,/iso,x',
      `${T},/b "c",d`,
      'x,y,z',
      `${T},/short`,
      '',
      `${T},/empty,`,
      '2027-01-01T00:00:00Z,/other/hour,u',
    );
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1 }),
        (rows, sizes) => {
          const content = Buffer.from(`${HEADER}${rows.join('\n')}\n`);
          expect(sorted(readInBlocks(content, sizes, CSV))).toEqual(sorted(readFile(content, CSV)));
        },
      ),
      { numRuns: 60 },
    );
  });
});

/** Records of several hours are not in the order of the file. */
function sorted(read: ReturnType<typeof readFile>) {
  return { ...read, records: read.records.map((record) => JSON.stringify(record)).sort() };
}
