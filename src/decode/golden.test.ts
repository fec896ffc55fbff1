import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { hourToIso } from '../model/hour.ts';
import { ACCESS_STREAM, EVENTS_STREAM } from '../model/stream.ts';
import { BODY_FORMATS, type DecodeOptions, type Decoder, MalformedBodyError } from './decode.ts';
import { createDecoders } from './decoders.ts';
import { readLines } from './files/access/read-lines.case.ts';
import { runToEnd } from './pace.ts';

// A pair is NAME[.skip][.drop][.max<bytes>][.depth<levels>].in and the .out beside it: a new pair is a new test.
const testdata = new URL('../../testdata/', import.meta.url);

const EVENTS = 'events-';

for (const folder of readdirSync(new URL('decode/', testdata))) {
  const isOfEvents = folder.startsWith(EVENTS);
  const format = BODY_FORMATS.find((each) => each === (isOfEvents ? folder.slice(EVENTS.length) : folder));
  if (format === undefined) throw new Error(`no format has the folder testdata/decode/${folder}`);
  const decode = createDecoders(isOfEvents ? EVENTS_STREAM : ACCESS_STREAM)[format];
  describe(`decodes testdata/decode/${folder}`, () => {
    for (const name of namesIn(`decode/${folder}/`)) {
      test(name, () => {
        const file = new URL(`decode/${folder}/${name}`, testdata);
        const body = readFileSync(`${file.pathname}.in`);
        expect(describeDecoded(decode, body, optionsOf(name))).toBe(expectedFor(file));
      });
    }
  });
}

describe('reads testdata/combined', () => {
  for (const name of namesIn('combined/')) {
    test(name, () => {
      const file = new URL(`combined/${name}`, testdata);
      const results = readLines(readFileSync(`${file.pathname}.in`));
      const lines = results.map((text) => (text.startsWith('{') ? text : JSON.stringify({ reason: text })));
      expect(`${lines.join('\n')}\n`).toBe(expectedFor(file));
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

function describeDecoded(decode: Decoder, body: Buffer, options: DecodeOptions): string {
  try {
    const { batch, accepted, rejections, rejected } = runToEnd(decode(body, options));
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
