import { describe, expect, it, test } from 'vitest';
import { inputDecoding } from './input-decoding.ts';

const INPUT = {
  name: 'in',
  type: 'tcp',
  format: 'json',
  framing: 'newline',
  zone: 'arrival',
  timestamps: 'rfc3339',
  defaults: {},
  rename: {},
} as const;

describe('the decoder of an input', () => {
  test.each([
    ['json', 'lines', 'ndjson'],
    ['json', 'frames', 'frames'],
    ['auto', 'lines', 'text'],
    ['raw', 'lines', 'text'],
    ['combined', 'lines', 'text'],
    ['protobuf', 'frames', 'frames'],
  ] as const)('of %s in %s is %s', (format, form, decoder) => {
    expect(inputDecoding({ ...INPUT, format }, form).format).toBe(decoder);
  });

  test('of the universal port gives text of no known form the service raw', () => {
    const { text } = inputDecoding({ ...INPUT, framing: 'universal' }, 'frames').options;
    expect(text).toMatchObject({ format: 'auto', service: 'raw' });
  });

  test.each([
    [{ format: 'syslog' }, 'syslog'],
    [{ format: 'combined' }, 'combined'],
    [{ type: 'syslog' }, 'auto'],
    [{ type: 'syslog', format: 'syslog' }, 'syslog'],
    [{ framing: 'octet-counted', format: 'raw' }, 'raw'],
  ] as const)('of %j takes text for %s', (keys, format) => {
    expect(inputDecoding({ ...INPUT, ...keys }, 'frames').options.text).toEqual({
      format,
      zone: 'arrival',
      service: 'in',
      arrival: 0,
    });
  });

  it('has a mapping where it would change something', () => {
    expect(inputDecoding(INPUT, 'lines').options).not.toHaveProperty('mapping');
    expect(inputDecoding({ ...INPUT, rename: { source: 'service' } }, 'lines').options.mapping).toEqual({
      rename: new Map([['source', 'service']]),
      defaults: new Map(),
      timestamps: 'rfc3339',
    });
    expect(inputDecoding({ ...INPUT, timestamps: 'auto' }, 'lines').options.mapping?.timestamps).toBe('auto');
  });
});
