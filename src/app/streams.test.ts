import { expect, test } from 'vitest';
import { compressAfterBy, compressionBy } from './streams.ts';

const MINUTE = 60_000;
type Storage = Parameters<typeof compressAfterBy>[0]['storage'];

function config(storage: Partial<Storage>): Parameters<typeof compressAfterBy>[0] {
  const streams = [{ name: 'orders', required: [], countBy: [] }] as const;
  return { storage: { compression: 'none', compressAfter: 'off', streams: [], ...storage } as Storage, streams };
}

test('all streams have the compression of the storage, but those that have their own', () => {
  const of = compressionBy(
    config({
      compression: 'zstd',
      streams: [
        { name: 'events', compression: 'none', compressAfter: 'inherit' },
        { name: 'orders', compression: 'inherit', compressAfter: MINUTE },
      ],
    }),
  );
  expect(['access', 'events', 'orders', 'removed'].map(of)).toEqual(['zstd', 'none', 'zstd', 'zstd']);
});

test('hours at rest are compressed in the streams that ask for it, or that do not say otherwise', () => {
  expect(compressAfterBy(config({}))).toEqual(new Map());
  expect(compressAfterBy(config({ compressAfter: MINUTE }))).toEqual(
    new Map([
      ['access', MINUTE],
      ['events', MINUTE],
      ['orders', MINUTE],
    ]),
  );
  const streams: Storage['streams'] = [
    { name: 'access', compression: 'inherit', compressAfter: 'off' },
    { name: 'events', compression: 'zstd', compressAfter: 'inherit' },
    { name: 'orders', compression: 'inherit', compressAfter: 2 * MINUTE },
  ];
  expect(compressAfterBy(config({ compressAfter: MINUTE, streams }))).toEqual(
    new Map([
      ['events', MINUTE],
      ['orders', 2 * MINUTE],
    ]),
  );
  expect(compressAfterBy(config({ streams }))).toEqual(new Map([['orders', 2 * MINUTE]]));
});
