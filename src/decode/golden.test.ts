import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { hourToIso } from '../model/hour.ts';
import { ACCESS_STREAM, EVENTS_STREAM } from '../model/stream.ts';
import { parseCombinedLine } from './combined.ts';
import { BODY_FORMATS, type BodyFormat, type DecodeOptions, MalformedBodyError } from './decode.ts';
import { createDecoders } from './decoders.ts';
import { runToEnd } from './pace.ts';

const decoders = createDecoders(ACCESS_STREAM);
/** Of messages, whose schema is that of events. */
const eventDecoders = createDecoders(EVENTS_STREAM);

// A pair is NAME[.skip][.drop][.max<bytes>][.depth<levels>].in and the .out beside it: a new pair is a new test.
const testdata = new URL('../../testdata/', import.meta.url);

for (const format of BODY_FORMATS) {
  describe(`decodes testdata/decode/${format}`, () => {
    for (const name of namesIn(`decode/${format}/`)) {
      test(name, () => {
        const file = new URL(`decode/${format}/${name}`, testdata);
        expect(describeDecoded(format, readFileSync(`${file.pathname}.in`), optionsOf(name))).toBe(expectedFor(file));
      });
    }
  });
}

describe('reads testdata/combined', () => {
  for (const name of namesIn('combined/')) {
    test(name, () => {
      const file = new URL(`combined/${name}`, testdata);
      const lines = readFileSync(`${file.pathname}.in`, 'utf8').trimEnd().split('\n');
      const out = lines.map((line) => `${JSON.stringify(parseCombinedLine(line))}\n`).join('');
      expect(out).toBe(expectedFor(file));
    });
  }
});

function namesIn(folder: string): string[] {
  const files = readdirSync(new URL(folder, testdata));
  return files.filter((file) => file.endsWith('.in')).map((file) => file.slice(0, -'.in'.length));
}

function expectedFor(file: URL): string {
  const path = `${file.pathname}.out`;
  return existsSync(path) ? readFileSync(path, 'utf8') : `no ${path}`;
}

function optionsOf(name: string): DecodeOptions {
  const words = name.split('.').slice(1);
  const numberAfter = (word: string, byDefault: number) =>
    Number(words.find((each) => each.startsWith(word))?.slice(word.length) ?? byDefault);
  return {
    ...DECODE_OPTIONS,
    maxRecordBytes: numberAfter('max', 262_144),
    maxDepth: numberAfter('depth', 2_000),
    extraFields: words.includes('drop') ? 'drop' : 'keep',
    invalid: words.includes('skip') ? 'skip' : 'reject',
  };
}

function describeDecoded(format: BodyFormat, body: Buffer, options: DecodeOptions): string {
  const of = format.startsWith('protobuf') ? eventDecoders : decoders;
  try {
    const { batch, accepted, rejections, rejected } = runToEnd(of[format](body, options));
    let text = `accepted ${accepted} rejected ${rejected}\n`;
    for (const chunk of batch) text += `hour ${hourToIso(chunk.hour)} ${chunk.count}\n${chunk.lines.toString()}`;
    for (const { index, field, reason, raw } of rejections)
      text += `- ${JSON.stringify([index, field, reason, raw])}\n`;
    return text;
  } catch (error) {
    if (error instanceof MalformedBodyError) return `malformed ${error.message}\n`;
    throw error;
  }
}
