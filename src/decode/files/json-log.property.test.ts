import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import { parseFieldMap } from '../../model/field-map.ts';
import { ACCESS_STREAM } from '../../model/stream.ts';
import { createDecoders } from '../decoders.ts';
import { runToEnd } from '../pace.ts';
import { readOneLine } from './access-collector.case.ts';
import { createJsonLog } from './json-log.ts';
import { unwrapJson } from './json-wrappers.ts';

const LINES = [
  '{"timestamp":"2026-03-05T10:00:01.5Z","path":"/c","userAgent":"a","id":12345678901234567890,"o":{ "x" : [1.0, null] }}',
  String.raw`{"time_local":"05/Mar/2026:10:00:01 +0100","request":"GET /c?a=b HTTP/1.1","status":"200","http_user_agent":"a\x22\xC3\xA9","x":{"y":1},"request_time":"0.005"}`,
  '{"ts":1703373474.8155608,"request":{"remote_addr":"192.0.2.1:1","uri":"/b","headers":{"User-Agent":["a"]}},"duration":"1m2.5s","size":3609}',
  '{"StartUTC":"2021-12-08T14:02:43.587Z","RequestPath":"/c","Duration":357313,"request_User-Agent":"é"}',
  '{"log":"192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] \\"GET /c HTTP/1.1\\" 200 5","stream":"stdout","time":"2026-03-05T10:00:01Z"}',
  '{"EdgeStartTimestamp":1772704801123456789,"ClientRequestURI":"/c"}',
];
const MAP =
  'timestamp=ts|timestamp|time_local,path=request.uri|path|request,userAgent=userAgent|x,status=status,all=request,o=o.x[0]';

/** A line, with some of its characters replaced, left out or doubled. */
const line = fc
  .tuple(
    fc.constantFrom(...LINES),
    fc.array(fc.tuple(fc.nat(400), fc.nat(3), fc.constantFrom(...'{}[]",:\\x0-9e.a \u0000\ud800é')), { maxLength: 3 }),
  )
  .map(([text, changes]) =>
    changes.reduce((changed, [at, length, insert]) => changed.slice(0, at) + insert + changed.slice(at + length), text),
  );

it('whatever the line, it is refused or stored as a record that the service takes as it is', () => {
  const logs = [createJsonLog(), createJsonLog(parseFieldMap(MAP))];
  const decode = createDecoders(ACCESS_STREAM).ndjson;
  let records = 0;
  fc.assert(
    fc.property(line, (text) => {
      unwrapJson(Buffer.from(text));
      for (const log of logs) {
        const stored = readOneLine(log, text);
        if (!stored.startsWith('{')) continue;
        records++;
        const decoded = runToEnd(decode(Buffer.from(`${stored}\n`), { ...DECODE_OPTIONS, invalid: 'skip' }));
        expect(decoded.rejections).toEqual([]);
        expect(Buffer.concat(decoded.batch.map(({ lines }) => lines)).toString()).toBe(`${stored}\n`);
      }
    }),
    { numRuns: 500 },
  );
  expect(records).toBeGreaterThan(100);
});
