import { expect, it } from 'vitest';
import { BatchFault, readBatch } from './read-batch.ts';

const LINE = { uuid: 'u', host: 'h', file: '/f', 'line-num': 0, content: 'c' };

function read(body: unknown, maxLineBytes = 1024) {
  const bytes = body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return readBatch(bytes, { maxLineBytes });
}

function faultOf(body: unknown): BatchFault {
  try {
    read(body);
  } catch (error) {
    if (error instanceof BatchFault) return error;
    throw error;
  }
  throw new Error('the body was taken');
}

it.each([
  ['without size and uuid', { batch: [{ host: 'h', file: '/f', 'line-num': 0, content: 'c' }] }],
  ['with members of other names', { batch: [{ ...LINE, extra: [1] }], size: 1, more: {} }],
  ['with an empty generation', { batch: [{ ...LINE, generation: '' }], size: 1 }],
  ['with a generation of null', { batch: [{ ...LINE, generation: null }], size: 1 }],
  ['with a byte order mark', `\ufeff${JSON.stringify({ batch: [LINE] })}`],
  ['with a name written with an escape', JSON.stringify({ batch: [LINE] }).replace('"host"', '"\\u0068ost"')],
])('takes a batch %s', (_, body) => {
  expect(read(body)).toEqual([{ host: 'h', file: '/f', generation: '', number: 0, content: 'c' }]);
});

it('takes an empty batch', () => {
  expect(read({ batch: [], size: 0 })).toEqual([]);
});

it.each([
  ['host', 'a b&c%d\nü\u{1f600}\0'],
  ['host', 'x'.repeat(4096)],
  ['file', '../../etc/passwd'],
  ['generation', 'g'.repeat(256)],
  ['content', ''],
  ['content', 'a\r\n\0"\\ \u{1f600}'],
])('takes any text as %s', (field, text) => {
  expect(read({ batch: [{ ...LINE, [field]: text }] })).toMatchObject([{ [field]: text }]);
});

it.each([0, 1, 2 ** 53 - 1, 1e3])('takes the number %d', (number) => {
  expect(read({ batch: [{ ...LINE, 'line-num': number }] })).toMatchObject([{ number }]);
});

it('takes -0 as 0', () => {
  expect(Object.is(read('{"batch":[{"host":"h","file":"f","line-num":-0,"content":""}]}')[0]?.number, 0)).toBe(true);
});

it('keeps apart the logs of one batch', () => {
  const batch = [LINE, { ...LINE, file: '/g' }, { ...LINE, file: '/g', generation: 'x' }, { ...LINE, host: 'i' }];
  expect(read({ batch }).map(({ host, file, generation }) => [host, file, generation])).toEqual([
    ['h', '/f', ''],
    ['h', '/g', ''],
    ['h', '/g', 'x'],
    ['i', '/f', ''],
  ]);
});

it.each<[unknown, string]>([
  ['[', 'the body is not JSON: '],
  ['', 'the body is not JSON: '],
  [Buffer.from([0x22, 0xff, 0x22]), 'the body is not UTF-8'],
  ['[]', 'the body must be an object with the member batch, is a list'],
  ['null', 'the body must be an object with the member batch, is null'],
  ['{}', 'batch must be a list of lines, is missing'],
  ['{"batch":{}}', 'batch must be a list of lines, is an object'],
  [{ batch: [LINE], size: 2 }, 'size must be the number of lines in batch, 1, is 2'],
  [{ batch: [LINE], size: '1' }, 'size must be the number of lines in batch, 1, is "1"'],
])('refuses %o', (body, message) => {
  const fault = faultOf(body);
  expect(fault.message).toContain(message);
  expect(fault.index).toBeUndefined();
});

it.each<[string, unknown, string]>([
  ['content', undefined, 'must be a text, is missing'],
  ['content', 7, 'must be a text, is 7'],
  ['content', 'x'.repeat(1025), 'must have at most 1024 bytes (store.maxLineBytes), has 1025'],
  ['content', 'ü'.repeat(513), 'must have at most 1024 bytes (store.maxLineBytes), has 1026'],
  ['content', 'a\ud800', 'must be Unicode, without half of a surrogate pair'],
  ['line-num', undefined, 'must be a whole number from 0 to 9007199254740991, is missing'],
  ['line-num', -1, 'must be a whole number from 0 to 9007199254740991, is -1'],
  ['line-num', 1.5, 'is 1.5'],
  ['line-num', 2 ** 53, 'is 9007199254740992'],
  ['line-num', '1', 'is "1"'],
  ['host', undefined, 'must be a text of 1 to 4096 bytes, is missing'],
  ['host', '', 'must be a text of 1 to 4096 bytes, is ""'],
  ['host', null, 'is null'],
  ['file', 'ü'.repeat(2049), 'must be a text of 1 to 4096 bytes, is "üüü'],
  ['file', 'a\udfff', 'must be a text of 1 to 4096 bytes'],
  ['generation', 5, 'must be a text of 1 to 256 bytes, is 5'],
])('names the line and %s, %o, when it is wrong', (field, value, message) => {
  const fault = faultOf({ batch: [LINE, { ...LINE, 'line-num': 1, [field]: value }], size: 2 });
  expect(fault).toMatchObject({ index: 1, field });
  expect(fault.message).toContain(`batch[1].${field} `);
  expect(fault.message).toContain(message);
  expect(fault.message.length).toBeLessThan(300);
});

it('names an item that is no object', () => {
  expect(faultOf({ batch: [LINE, 'x'] })).toMatchObject({ index: 1, message: 'batch[1] must be an object, is "x"' });
});

it('takes content of exactly the limit', () => {
  expect(read({ batch: [{ ...LINE, content: 'ü'.repeat(512) }] })).toHaveLength(1);
});
