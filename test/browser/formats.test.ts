import { connect } from 'node:net';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import type { Service } from '../support/service.ts';
import { eventually } from '../support/storage.ts';
import { contrastProblems, namelessControls } from './accessibility.ts';
import { soon, start, startWith, useBrowser } from './pages.ts';

const HOSTILE = '<script>window.hacked=1</script><img src=x onerror=window.hacked=2>';

const { open } = useBrowser();

const startWithInput = () => startWith('inputs:\n  - {name: lines, type: tcp, addr: "127.0.0.1:0"}\n');

const event = (message: string) =>
  JSON.stringify({ timestamp: '2015-05-17T10:00:00Z', level: 'INFO', message, service: 's' });

async function post(service: Service, lines: readonly string[]): Promise<void> {
  const headers = { 'Content-Type': 'application/x-ndjson' };
  const answer = await fetch(`${service.url}/logs/events`, { method: 'POST', headers, body: lines.join('\n') });
  expect(answer.status).toBe(202);
}

const row = (page: Page, table: string, name: string) =>
  page.locator(`#${table} tr`, { hasText: name }).locator('td').allInnerTexts();
const sampleTexts = (page: Page) => page.locator('#samples li code').allInnerTexts();

describe('formats', () => {
  test('are counted and their last lines shown, live, and inputs beside them', async () => {
    const service = await startWithInput();
    const { page, strange } = await open(service);
    expect(await page.locator('#no-samples').isVisible()).toBe(true);
    await post(service, [event('one'), event('two')]);
    await soon(async () => (await row(page, 'formats', 'JSON'))[1]).toBe('2');
    expect((await row(page, 'formats', 'JSON'))[3]).toBe('100 %');
    expect((await row(page, 'formats', 'Syslog'))[1]).toBe('0');
    await soon(() => sampleTexts(page)).toEqual([event('two')]);
    expect(await page.locator('#no-samples').isVisible()).toBe(false);

    const where = /"input":"lines","where":"[^"]+:(\d+)"/.exec(service.logs())?.[1];
    connect({ host: '127.0.0.1', port: Number(where) }).end(`${event('over tcp')}\n`);
    await soon(async () => (await row(page, 'inputs', 'lines')).slice(1)).toEqual(['1', '0', '0 %', '0']);
    await soon(async () => (await sampleTexts(page))[0]).toBe(event('over tcp'));
    await page.reload();
    await soon(async () => (await sampleTexts(page))[0]).toBe(event('over tcp'));
    expect(strange).toEqual([]);
  });

  test('stay when an answer from before they came is late', async () => {
    const service = await startWithInput();
    const late = Promise.withResolvers<void>();
    const done = Promise.withResolvers<void>();
    let asked = 0;
    const { page } = await open(service, '/', (blank) =>
      blank.route('**/api/overview', async (route) => {
        const response = await route.fetch();
        const isFirst = asked++ === 0;
        if (!isFirst) await late.promise;
        await route.fulfill({ response });
        if (!isFirst) done.resolve();
      }),
    );
    await soon(() => asked).toBe(2);
    await post(service, [event('new')]);
    await soon(() => sampleTexts(page)).toEqual([event('new')]);
    late.resolve();
    await done.promise;
    await page.evaluate('new Promise((resolve) => setTimeout(resolve, 300))');
    expect(await sampleTexts(page)).toEqual([event('new')]);
  });

  test('of hostile clients are text, cut, and without characters that mislead', async () => {
    const service = await start();
    const { page, strange } = await open(service);
    await post(service, [event(`${HOSTILE}\u202egpj.exe\u200b`)]);
    await soon(() => page.locator('#samples .code-point').allInnerTexts()).toEqual(['U+202E', 'U+200B']);
    expect((await sampleTexts(page))[0]).toContain(HOSTILE);
    expect(await page.locator('#samples script, #samples img').count()).toBe(0);
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    await eventually(async () => {
      await post(service, [event('x'.repeat(5_000))]);
      expect((await sampleTexts(page))[0]).toMatch(/^\{"timestamp".*x{100}…$/);
    });
    expect((await sampleTexts(page))[0]?.length).toBe(401);
    expect(strange).toEqual([]);
  });

  test.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 390],
    ['dark', 390],
  ] as const)('can be read in the %s theme at a width of %i', async (colorScheme, width) => {
    const service = await startWithInput();
    await post(service, [event('a text that is long enough to need a second line '.repeat(3))]);
    const { page, strange } = await open(service);
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 900 });
    await soon(async () => (await sampleTexts(page)).length).toBe(1);
    expect(await contrastProblems(page)).toEqual([]);
    expect(await namelessControls(page)).toEqual([]);
    // The charts are drawn again a moment after the width has changed.
    await soon(() => page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    expect(strange).toEqual([]);
    if (process.env.SHOTS !== undefined) {
      await page.locator('#inputs-box').scrollIntoViewIfNeeded();
      await page.screenshot({ path: `${process.env.SHOTS}/formats-${colorScheme}-${width}.png` });
    }
  });
});
