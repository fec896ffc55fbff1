import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { decodeTrailer, TRAILER_BYTES } from '../../src/repo/hour-frames.ts';
import type { Service } from '../support/service.ts';
import { contrastProblems, namelessControls } from './accessibility.ts';
import { soon, start, startWith, useBrowser } from './pages.ts';

const CONFIG = 'streams:\n  - { name: beats, countBy: [] }\n';

const { open } = useBrowser();

const startStreams = () => startWith(CONFIG);

async function send(service: Service, stream: string, records: readonly object[]): Promise<void> {
  const response = await fetch(`${service.url}/logs/${stream}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(records),
  });
  expect(response.status).toBe(202);
}

/** On a fixed day long ago, so that no new hour begins during a test. */
const event = (hour: number, message: string, level = 'INFO', more: object = {}) => ({
  timestamp: `2015-05-17T${String(hour).padStart(2, '0')}:05:00Z`,
  ...{ level, message, service: 'db', ...more },
});
const rows = (page: Page) => page.locator('#records .text bdi:first-child').allInnerTexts();
const sub = (page: Page) => page.locator('#records-sub').innerText();
const pick = (page: Page, stream: string) => page.getByLabel('Stream', { exact: true }).selectOption(stream);
/** The page looks for new hours every 15 s. */
const refreshOften = (page: Page) =>
  page.addInitScript('{ const set = setInterval; setInterval = (work, ms) => set(work, ms === 15_000 ? 300 : ms) }');

describe('the records', () => {
  test('are the newest of the chosen stream, filtered by text and level', async () => {
    const service = await startStreams();
    await send(service, 'events', [
      event(9, 'first'),
      event(10, 'disk is 91 % full', 'WARN'),
      event(10, 'broken disk', 'ERROR', { id: '<12345678901234567890>' }),
      event(10, 'last'),
    ]);
    await send(service, 'access', [{ timestamp: '2015-05-17T10:00:00Z', path: '/home', userAgent: 'curl/8' }]);
    const { page, strange } = await open(service);
    await soon(() => rows(page)).toEqual(['/home']);
    expect(await page.locator('#level-field').isVisible()).toBe(false);
    expect(await page.locator('#records li').innerText()).toMatch(/^2015-05-17T10:00:00Z\s*\/home\s*curl\/8$/);

    await pick(page, 'events');
    await soon(() => rows(page)).toEqual(['last', 'broken disk', 'disk is 91 % full', 'first']);
    expect(await page.locator('#records .level').allInnerTexts()).toEqual(['INFO', 'ERROR', 'WARN', 'INFO']);
    await page.getByLabel('Level').selectOption('WARN');
    await soon(() => rows(page)).toEqual(['broken disk', 'disk is 91 % full']);
    await page.getByLabel('Contains').fill('broken');
    await soon(() => rows(page)).toEqual(['broken disk']);
    await page.locator('#records summary').click();
    expect(await page.locator('#records pre').innerText()).toBe(
      '{"timestamp":"2015-05-17T10:05:00Z","level":"ERROR","message":"broken disk","service":"db","id":"<12345678901234567890>"}',
    );
    await page.getByLabel('Contains').fill('nothing like it');
    await soon(() => page.locator('#no-records').isVisible()).toBe(true);
    expect([await rows(page), await page.locator('#no-records').innerText()]).toEqual([[], 'No records.']);

    // The filter is for its stream.
    await pick(page, 'access');
    await soon(() => rows(page)).toEqual(['/home']);
    expect(await page.getByLabel('Contains').inputValue()).toBe('');
    expect(strange).toEqual([]);
  });

  test('are those of the hour whose bar is chosen, and of the range that somebody chose', async () => {
    const service = await startStreams();
    await send(service, 'events', [event(7, 'early'), event(9, 'nine'), event(10, 'ten')]);
    const summary = `${service.url}/analytics?stream=events&from=2015-05-17T07&to=2015-05-17T11`;
    await soon(async () => (await fetch(summary)).text()).toContain('"totalRecords": 3');
    const { page, strange } = await open(service, '/#stream=events');
    await soon(() => rows(page)).toEqual(['ten', 'nine', 'early']);
    expect(await sub(page)).toBe('Newest first');
    await soon(() => page.locator('#chosen').innerText()).toMatch(/ · 3 records$/);

    const chart = page.locator('#hour-chart');
    await chart.scrollIntoViewIfNeeded();
    const box = await chart.locator('.u-over').boundingBox();
    await page.mouse.click((box?.x ?? 0) + (box?.width ?? 0) - 8, (box?.y ?? 0) + 30);
    await soon(() => rows(page)).toEqual(['ten']);
    expect(await sub(page)).toBe('17 May 2015 10:00 UTC, newest first');
    await chart.focus();
    await page.keyboard.press('ArrowLeft');
    await soon(() => rows(page)).toEqual(['nine']);
    await page.keyboard.press('Escape');
    await soon(() => rows(page)).toEqual(['ten', 'nine', 'early']);

    await page.goto(`${service.url}/#stream=events&from=2015-05-17T07&to=2015-05-17T10`);
    await soon(() => rows(page)).toEqual(['nine', 'early']);
    expect(await sub(page)).toBe('17 May 2015 07:00 to 17 May 2015 10:00 UTC, newest first');
    expect(strange).toEqual([]);
  });

  test('come live, filtered, before those that are there, and stay open', async () => {
    const service = await startStreams();
    await send(service, 'events', [event(9, 'stored', 'ERROR'), event(9, 'calm')]);
    const { page, strange } = await open(service, '/#stream=events');
    await soon(() => rows(page)).toEqual(['calm', 'stored']);
    await page.getByLabel('Level').selectOption('WARN');
    await soon(() => rows(page)).toEqual(['stored']);
    const live = page.getByRole('button', { name: 'Live', exact: true });
    await live.click();
    await soon(() => sub(page)).toBe('As they arrive, newest first');
    await soon(() => page.locator('#records-box.dim').count()).toBe(0);
    await page.locator('#records summary').click();
    await soon(async () => {
      await send(service, 'events', [event(8, 'probe', 'ERROR'), event(8, 'not this', 'DEBUG')]);
      return (await rows(page))[0];
    }).toBe('probe');
    await send(service, 'events', [event(8, 'late', 'ALERT')]);
    await send(service, 'access', [{ timestamp: '2015-05-17T10:00:00Z', path: '/other', userAgent: 'a' }]);
    await soon(async () => (await rows(page))[0]).toBe('late');
    const shown = await rows(page);
    expect([new Set(shown), shown.at(-1)]).toEqual([new Set(['late', 'probe', 'stored']), 'stored']);
    expect(await page.locator('#records pre').innerText()).toContain('"message":"stored"');

    // A text with an equals sign is no condition.
    await page.getByLabel('Contains').fill('a=b');
    await soon(() => rows(page)).toEqual([]);
    await soon(async () => {
      await send(service, 'events', [event(8, 'has a=b', 'ERROR'), event(8, 'has not', 'ERROR')]);
      return rows(page);
    }).toContain('has a=b');
    expect(new Set(await rows(page))).toEqual(new Set(['has a=b']));

    await live.click();
    await soon(() => sub(page)).toBe('Newest first');
    expect(await live.getAttribute('aria-pressed')).toBe('false');
    expect(strange).toEqual([]);
  });

  test('stay live while the hours of the chart move on, and are those of the chosen hour after that', async () => {
    const service = await startStreams();
    await send(service, 'events', [event(9, 'nine'), event(10, 'ten')]);
    const summary = `${service.url}/analytics?stream=events&from=2015-05-17T07&to=2015-05-17T12`;
    await soon(async () => (await fetch(summary)).text()).toContain('"totalRecords": 2');
    const { page, strange } = await open(service, '/#stream=events', refreshOften);
    await soon(() => page.locator('#chosen').innerText()).toMatch(/ · 2 records$/);
    await page.locator('#hour-chart').focus();
    await page.keyboard.press('End');
    await soon(() => rows(page)).toEqual(['ten']);
    const live = page.getByRole('button', { name: 'Live', exact: true });
    await live.click();
    await soon(() => rows(page)).toEqual(['ten', 'nine']);
    await send(service, 'events', [event(11, 'eleven')]);
    await soon(() => rows(page)).toEqual(['eleven', 'ten', 'nine']);
    await soon(async () => (await fetch(summary)).text()).toContain('"totalRecords": 3');
    await soon(() => page.locator('#to').inputValue()).toBe('2015-05-17T12:00');
    await page.evaluate('fetch("health")');
    expect([await live.getAttribute('aria-pressed'), await sub(page)]).toEqual([
      'true',
      'As they arrive, newest first',
    ]);
    await live.click();
    await soon(() => rows(page)).toEqual(['ten']);
    expect(await sub(page)).toBe('17 May 2015 10:00 UTC, newest first');
    expect(strange).toEqual([]);
  });

  test('are more when more are asked for, and fewer where they are long', async () => {
    const service = await startStreams();
    await send(
      service,
      'events',
      Array.from({ length: 120 }, (_, i) => event(9, `m${i}`)),
    );
    await send(
      service,
      'beats',
      Array.from({ length: 30 }, (_, i) => ({ timestamp: '2015-05-17T10:00:00Z', i, pad: 'x'.repeat(200_000) })),
    );
    const { page, strange } = await open(service, '/#stream=events');
    await soon(() => rows(page)).toHaveLength(100);
    await page.getByRole('button', { name: 'Show more' }).click();
    await soon(() => rows(page)).toHaveLength(120);
    expect(await page.locator('#more-records').isVisible()).toBe(false);
    await pick(page, 'beats');
    await soon(() => page.locator('#records-note').innerText()).toMatch(
      /^The records are long: the newest 2[01] are shown\.$/,
    );
    expect((await rows(page))[0]).toMatch(/^\{"timestamp":"2015-05-17T10:00:00Z","i":29,"pad":"x+…$/);
    expect(strange).toEqual([]);
  });

  test('of another stream are never shown, nor those of a question that is over', async () => {
    const service = await startStreams();
    await send(service, 'events', [event(9, 'of events')]);
    await send(service, 'beats', [{ timestamp: '2015-05-17T10:00:00Z', n: 1 }]);
    const { page } = await open(service, '/#stream=beats');
    await soon(() => rows(page)).toEqual(['{"timestamp":"2015-05-17T10:00:00Z","n":1}']);
    const [asked, chosen, answered] = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
    await page.route('**/records?stream=events*', async (route) => {
      const response = await route.fetch();
      asked?.resolve();
      await chosen?.promise;
      await route.fulfill({ response }).catch(() => undefined);
      answered?.resolve();
    });
    await pick(page, 'events');
    await asked?.promise;
    expect(await rows(page)).toEqual([]);
    await pick(page, 'beats');
    await soon(() => rows(page)).toHaveLength(1);
    chosen?.resolve();
    await answered?.promise;
    await page.evaluate('fetch("health")');
    expect(await rows(page)).toEqual(['{"timestamp":"2015-05-17T10:00:00Z","n":1}']);

    await page.unroute('**/records?stream=events*');
    await page.route('**/records?*', (route) =>
      route.fulfill({ status: 503, body: '{"detail":"too many queries wait"}' }),
    );
    await page.getByRole('button', { name: 'Refresh' }).click();
    await soon(() => page.locator('#records-error').innerText()).toBe(
      'Cannot show the records: too many queries wait.',
    );
  });

  test('say which hours have parts that cannot be read', async () => {
    const env = { LOGFORGE_STORAGE_COMPRESSION: 'zstd' };
    const service = await start({ env });
    const { dirs } = service;
    for (const name of ['first', 'second', 'third'])
      await send(
        service,
        'events',
        Array.from({ length: 2_500 }, (_, i) => event(10, name, 'INFO', { pad: `${i}`.repeat(40) })),
      );
    await service.stop();
    // The second of three frames.
    const path = join(dirs.logs, 'events', '2015-05-17', '10.log.json.zst');
    const bytes = await readFile(path);
    const second = bytes.length - TRAILER_BYTES - (decodeTrailer(bytes, bytes.length - TRAILER_BYTES)?.zstd ?? 0);
    bytes.fill(7, second - TRAILER_BYTES - 40, second - TRAILER_BYTES - 30);
    await writeFile(path, bytes);

    const { page, strange } = await open(await start({ dirs, env }), '/#stream=events');
    const damaged = page.locator('#records-damaged');
    await soon(() => rows(page)).toEqual(Array(100).fill('third'));
    expect(await damaged.innerText()).toBe('');
    await page.getByLabel('Contains').fill('first');
    await soon(() => rows(page)).toEqual(Array(100).fill('first'));
    expect(await damaged.innerText()).toBe(
      '1 part of the stored hours cannot be read. Its records are left out: 17 May 2015 10:00 UTC.',
    );
    await page.getByLabel('Contains').fill('third');
    await soon(() => rows(page)).toEqual(Array(100).fill('third'));
    expect(await damaged.innerText()).toBe('');
    expect(strange).toEqual([]);
  });

  test('of hostile clients are text, readable on every screen', async () => {
    const service = await startStreams();
    const script = '<img src=x onerror=window.hacked=1><script>window.hacked=2</script>';
    await send(service, 'events', [
      event(9, script, 'ERROR', { service: '\u202egpj.exe', [script]: script }),
      event(9, 'x'.repeat(5_000), 'WARN'),
      event(9, 'an ordinary message of a service', 'CRIT', { trace: 'a'.repeat(300) }),
      ...['TRACE', 'DEBUG', 'NOTICE', 'ALERT', 'EMERG'].map((level) => event(10, `something at ${level}`, level)),
    ]);
    const { page, strange } = await open(service, '/#stream=events');
    await soon(() => rows(page)).toHaveLength(8);
    expect((await rows(page)).at(-1)).toBe(script);
    expect(await page.locator('#records .code-point').first().innerText()).toBe('U+202E');
    for (const summary of await page.locator('#records summary').all())
      if ((await summary.innerText()).includes('CRIT') || (await summary.innerText()).includes('ERROR'))
        await summary.click();
    await soon(() => page.locator('#records pre').count()).toBe(2);
    expect(await page.evaluate('[window.hacked, document.images.length]')).toEqual([undefined, 1]);
    expect(await namelessControls(page)).toEqual([]);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await contrastProblems(page)).toEqual([]);
      for (const width of [320, 390, 1_280]) {
        await page.setViewportSize({ width, height: 900 });
        await soon(() => page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
        const over = `(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('#records-box'))`;
        expect(await page.evaluate(over)).toBeLessThanOrEqual(0);
      }
    }
    expect(strange).toEqual([]);
  });
});
