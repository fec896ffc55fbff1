import { expect, it, vi } from 'vitest';
import { type OpenFile, openBytes } from '../../disk/open-file.ts';
import { createSendText, SEND_LIMITS, takesGzip } from './send-text.ts';

const LARGE = 200 * 1024;

/** A text that says whether it was closed. */
function createText(bytes = LARGE): OpenFile & { readonly closed: () => number } {
  let closed = 0;
  const inner = openBytes(Buffer.alloc(bytes, 'x'));
  return {
    ...inner,
    closed: () => closed,
    close: async () => {
      closed += 1;
    },
  };
}

it('sends a text as its client takes it, with its length', async () => {
  const sendText = createSendText();
  const text = createText();
  const next = vi.spyOn(text, 'next');
  const sent = await sendText(text, { gzip: false });
  expect(sent?.headers).toEqual({ 'Content-Length': String(LARGE) });
  expect(next).not.toHaveBeenCalled();
  const reader = sent?.body.getReader();
  await reader?.read();
  expect(next).toHaveBeenCalledTimes(1);
  let bytes = 64 * 1024;
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read())
    bytes += part.value.length;
  expect([bytes, text.closed()]).toEqual([LARGE, 1]);
});

it('sends so many large texts at once; others wait in order, and too many are refused', async () => {
  const sendText = createSendText({ ...SEND_LIMITS, maxAtOnce: 2, maxWaiting: 1 });
  const first = await sendText(createText(), { gzip: false });
  await sendText(createText(), { gzip: false });
  const waiting = sendText(createText(), { gzip: false });
  const refused = createText();
  expect(await sendText(refused, { gzip: false })).toBeUndefined();
  expect(refused.closed()).toBe(1);
  expect(await sendText(createText(1_000), { gzip: false })).toBeDefined();
  await first?.body.cancel();
  expect(await waiting).toBeDefined();
});

it('refuses one that waited for too long', async () => {
  vi.useFakeTimers();
  try {
    const sendText = createSendText({ ...SEND_LIMITS, maxAtOnce: 1, periodMs: 1e9 });
    await sendText(createText(), { gzip: false });
    const waiting = sendText(createText(), { gzip: false });
    await vi.advanceTimersByTimeAsync(SEND_LIMITS.maxWaitMs);
    expect(await waiting).toBeUndefined();
  } finally {
    vi.useRealTimers();
  }
});

it('gives up a client that takes too little, and its place to the next', async () => {
  vi.useFakeTimers();
  try {
    const sendText = createSendText({ ...SEND_LIMITS, maxAtOnce: 1, leastBytes: 100 * 1024, maxWaitMs: 1e9 });
    const text = createText();
    const reader = (await sendText(text, { gzip: false }))?.body.getReader();
    const waiting = sendText(createText(), { gzip: false });
    await reader?.read();
    await reader?.read();
    await vi.advanceTimersByTimeAsync(SEND_LIMITS.periodMs);
    expect(text.closed()).toBe(0);
    await reader?.read();
    await vi.advanceTimersByTimeAsync(SEND_LIMITS.periodMs);
    expect(text.closed()).toBe(1);
    await expect(reader?.read()).rejects.toThrow('too slowly');
    expect(await waiting).toBeDefined();
  } finally {
    vi.useRealTimers();
  }
});

it.each([
  [undefined, false],
  ['gzip', true],
  ['br, GZIP;q=0.5', true],
  ['gzip;q=0', false],
  ['gzip; q=0, *', false],
  ['*', true],
  ['*;q=0', false],
  ['br', false],
])('Accept-Encoding %s takes gzip: %s', (header, expected) => expect(takesGzip(header)).toBe(expected));
