import { describe, expect, it } from 'vitest';
import { framesOf, payloadOf } from '../../lines/block-form.ts';
import { createDatagramFraming, type DatagramFramingOptions } from './datagram-framing.ts';

/** The payloads of datagrams, each with its own emit; a frame that is too long as `beginning…: bytes`. */
function framesIn(holds: DatagramFramingOptions['holds'], datagrams: readonly (string | Buffer)[], maxFrameBytes = 64) {
  const framing = createDatagramFraming({ holds, maxFrameBytes, kind: 4 });
  const got: string[] = [];
  const framer = framing.create((beginning, bytes) => got.push(`${beginning.toString('latin1', 0, 3)}…: ${bytes}`));
  for (const datagram of datagrams) {
    framer.push(Buffer.from(datagram as string), (block) => {
      for (const frame of framesOf(framing.form, block)) got.push(payloadOf(framing.form, frame).toString('latin1'));
    });
  }
  return got;
}

describe('datagrams of lines', () => {
  it.each([
    ['one line', ['a\n'], ['a\n']],
    ['a line without its newline', ['a', 'b\n'], ['a\n', 'b\n']],
    ['several lines', ['a\nb\nc'], ['a\n', 'b\n', 'c\n']],
    ['nothing', [''], []],
    ['NULs', ['\0a\0'], ['\0a\0\n']],
    ['a line that is too long', [`a\n${'x'.repeat(70)}\nb`], ['a\n', 'xxx…: 71', 'b\n']],
    ['a last line that is too long', [`a\n${'x'.repeat(70)}`, 'b'], ['a\n', 'xxx…: 71', 'b\n']],
  ])('gives %s', (_, datagrams, frames) => expect(framesIn('lines', datagrams)).toEqual(frames));

  it('takes the longest datagram of UDP', () => {
    expect(framesIn('lines', [Buffer.alloc(65_507, 'x')], 65_508)[0]).toHaveLength(65_508);
  });
});

describe('datagrams of messages', () => {
  it.each([
    ['a message', ['<13>a'], ['<13>a']],
    ['a message of several lines as one', ['<13>a\nb\n\nc\n'], ['<13>a\nb\n\nc']],
    ['a message without what senders put after it', ['<13>a\r\n\0'], ['<13>a']],
    ['each line of other text', ['{"a":1}\n\nb\r\n'], ['{"a":1}', 'b']],
    ['nothing', ['', '\n', '\0'], []],
    ['a message that is too long', [`<${'x'.repeat(70)}`, '<b'], ['<xx…: 71', '<b']],
  ])('gives %s', (_, datagrams, frames) => expect(framesIn('messages', datagrams)).toEqual(frames));

  it('takes the longest datagram of UDP, as one message and as many lines', () => {
    expect(framesIn('messages', [Buffer.alloc(65_507, '<')], 65_507)[0]).toHaveLength(65_507);
    expect(framesIn('messages', ['a\n'.repeat(32_753)])).toHaveLength(32_753);
  });
});
