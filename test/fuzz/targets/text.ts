import fc from 'fast-check';
import type { DecodeOptions, Mapping, TextOptions } from '../../../src/decode/decode.ts';
import { createDecoders } from '../../../src/decode/decoders.ts';
import { runToEnd } from '../../../src/decode/pace.ts';
import { EVENTS_STREAM } from '../../../src/model/stream.ts';
import { DECODE_OPTIONS } from '../../support/decode-options.ts';
import type { Random } from '../../support/random.ts';
import { entryBytes, textBytes } from '../../support/text-arbitraries.ts';
import { type FuzzTarget, promise } from '../fuzz.ts';
import { join, split, withHead } from '../headed.ts';
import { mutateBytes, withoutPieces } from '../mutate.ts';
import { holdsLimits, outcome } from './decode.ts';

/*
 * The decoder of text. The reader by bytes and the reader by string store the same and refuse the same, and a line is read the same whatever
 * stands beside it in its block. No line is lost: every line that is not blank is a record, valid or not.
 */

interface Head {
  readonly text: TextOptions;
  readonly options: Partial<DecodeOptions>;
}

const arrivals = ['2025-07-02T17:00:03.250Z', '2026-01-01T00:00:05Z', '2028-03-01T00:00:00Z'].map(Date.parse);
const head: fc.Arbitrary<Head> = fc.record({
  text: fc.record({
    format: fc.constantFrom<TextOptions['format'][]>('auto', 'auto', 'auto', 'raw', 'syslog', 'journald', 'combined'),
    zone: fc.constantFrom<TextOptions['zone'][]>('arrival', 120, -330),
    service: fc.constant('app'),
    arrival: fc.constantFrom(...arrivals),
  }),
  options: fc.record({
    maxRecordBytes: fc.constantFrom(262_144, 300),
    extraFields: fc.constantFrom<DecodeOptions['extraFields'][]>('keep', 'drop'),
  }),
});
const event = '{"timestamp":"2025-07-02T17:00:00Z","level":"INFO","message":"ready","service":"api"}';
const line = fc.oneof(
  { weight: 6, arbitrary: textBytes },
  { weight: 3, arbitrary: entryBytes },
  { weight: 1, arbitrary: fc.constantFrom(event, '{"a":1}', '{', '').map((text) => Buffer.from(text)) },
);

/** It changes nothing, and with it the reference reader reads all texts. */
const NO_FAST_PATH: Mapping = { rename: new Map([['host', 'host']]), defaults: new Map(), timestamps: 'rfc3339' };

const decode = createDecoders(EVENTS_STREAM).text;

export const textTarget: FuzzTarget = {
  name: 'text',
  runsPerSecond: 500,
  make(random: Random) {
    const input = fc.tuple(head, fc.array(line, { maxLength: 8 }));
    const [made] = fc.sample(input, { numRuns: 1, seed: random.int(0, 2 ** 31 - 1) });
    const [head_, lines] = made ?? [undefined, []];
    return join({ head: head_, body: Buffer.concat(lines.flatMap((one) => [one, Buffer.from('\n')])) });
  },
  mutate: (input, random) => withHead((body) => mutateBytes(body, random))(input),
  *simpler(input) {
    const { head: kept, body } = split<Head>(input);
    for (const simpler of withoutPieces(body)) yield join({ head: kept, body: simpler });
  },
  check(input) {
    const { head: given, body } = split<Head>(input);
    const options: DecodeOptions = {
      ...DECODE_OPTIONS,
      ...given.options,
      text: given.text,
      invalid: 'skip',
      isBlock: true,
    };
    const actual = outcome(decode, body, options);
    const expected = outcome(decode, body, { ...options, mapping: NO_FAST_PATH });
    promise(actual === expected, () => `the reader:    ${actual}\nthe reference: ${expected}`);
    const decoded = runToEnd(decode(Buffer.from(body), options));
    holdsLimits(decoded, options);
    const lines = splitLines(body);
    const alone = lines.map((one) => runToEnd(decode(one, options)));
    const sum = (of: 'accepted' | 'rejected') => alone.reduce((total, one) => total + one[of], 0);
    promise(
      decoded.accepted === sum('accepted') && decoded.rejected === sum('rejected'),
      () =>
        `${decoded.accepted} and ${decoded.rejected} of a block, ${sum('accepted')} and ${sum('rejected')} of its lines`,
    );
    promise(
      decoded.accepted + decoded.rejected === lines.length,
      () => `${lines.length} lines are not all accounted for`,
    );
  },
};

/** The lines that are not blank. */
function splitLines(body: Buffer): Buffer[] {
  const lines = body.toString('latin1').split('\n');
  return lines
    .filter((one) => /[^ \t\r\0]/.test(one.replace(/^\xef\xbb\xbf/, '')))
    .map((one) => Buffer.from(one, 'latin1'));
}
