import { describe, expect, test } from 'vitest';
import { ACCESS, createLayout, formatLine, leadOf } from './layout.ts';
import { LineWriter } from './writer.ts';

describe('a layout', () => {
  test('puts the timestamp before the required fields', () => {
    expect(createLayout({ required: ['level', 'message'] }).fields).toEqual(['timestamp', 'level', 'message']);
    expect(ACCESS.fields).toEqual(['timestamp', 'path', 'userAgent']);
  });

  test('knows what stands before each value', () => {
    expect(ACCESS.leads.map(({ text }) => text)).toEqual(['{"timestamp":"', '","path":"', '","userAgent":"']);
    expect(leadOf(ACCESS, 'path')).toBe(ACCESS.leads[1]);
    expect(() => leadOf(ACCESS, 'level')).toThrow('no field level; it has timestamp, path, userAgent');
  });

  test('counts the bytes of a line that are not its values', () => {
    const line = formatLine(ACCESS, '2025-11-22T15:23:00Z', ['/é', '-'], '');
    expect(Buffer.byteLength(line)).toBe(ACCESS.overhead + Buffer.byteLength('2025-11-22T15:23:00Z/é-'));
    const escaped = '"\\u0075\\u0073\\u0065\\u0072\\u0041\\u0067\\u0065\\u006e\\u0074"';
    expect(JSON.parse(escaped)).toBe('userAgent');
    expect(ACCESS.maxNameBytes).toBe(escaped.length);
  });

  test('names no field twice', () => {
    expect(() => createLayout({ required: ['path', 'path'] })).toThrow('names a field twice');
    expect(() => createLayout({ required: ['timestamp'] })).toThrow('names a field twice');
  });
});

describe('a line', () => {
  const layouts = [
    ACCESS,
    createLayout({ required: [] }),
    createLayout({ required: ['level', 'message', 'service'] }),
    createLayout({ required: ['é"'] }),
  ];

  test.each(layouts)('reads as the record that was stored ($fields)', (layout) => {
    const texts = layout.required.map((name) => `${name} "quoted" \u0001 \\ é 😀`);
    const line = formatLine(layout, '2025-11-22T15:23:00Z', texts, ',"status":1.0');
    const record = [['timestamp', '2025-11-22T15:23:00Z'], ...layout.required.map((name, i) => [name, texts[i]])];
    expect(Object.entries(JSON.parse(line))).toEqual([...record, ['status', 1]]);
    expect(line.endsWith(',"status":1.0}\n')).toBe(true);
  });

  test.each(layouts)('is the same from the writer, by the leads of the layout ($fields)', (layout) => {
    const texts = layout.fields.map((_, i) => `value ${i} é`);
    const writer = new LineWriter(0);
    writer.reserve(layout.overhead + Buffer.byteLength(texts.join('')));
    layout.leads.forEach((lead, i) => {
      writer.lead(lead);
      const bytes = Buffer.from(texts[i] ?? '');
      writer.slice(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
    });
    writer.byte(0x22);
    writer.endLine();
    const [timestamp = '', ...others] = texts;
    expect(writer.bytes.toString('utf8', 0, writer.used)).toBe(formatLine(layout, timestamp, others, ''));
    expect(writer.used).toBe(writer.bytes.length);
  });
});
