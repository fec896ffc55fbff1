import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import type { Service } from '../support/service.ts';
import { contrastProblems, namelessControls } from './accessibility.ts';
import { soon, start, useBrowser } from './pages.ts';

const SCRIPT = '<script>window.hacked=1</script>';
const HOSTILE = `${SCRIPT}<img src=x onerror=window.hacked=2>`;
const BOT = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';
const PERSON =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36';

const { open, openEmpty } = useBrowser({ acceptDownloads: true });

async function post(service: Service, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${service.url}/logs`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

/** On a fixed day long ago, so that no new hour begins during a test. */
const LATEST = Date.parse('2015-05-17T10:30:00Z');

function records(count: number, path: string, userAgent = PERSON, hoursAgo = 0) {
  const timestamp = new Date(LATEST - hoursAgo * 3_600_000).toISOString();
  return Array.from({ length: count }, () => ({ timestamp, path, userAgent }));
}

/** Waits until the aggregator has counted `total` records. */
async function summarised(service: Service, total: number): Promise<void> {
  const url = `${service.url}/analytics?from=2015-05-16T11&to=2015-05-17T11`;
  const count = async () => ((await (await fetch(url)).json()) as { totalRequests: number }).totalRequests;
  await soon(count).toBe(total);
}

const tile = (page: Page, name: string) => page.locator('#tiles > div', { hasText: name });
const bars = (page: Page, id: 'paths' | 'agents') => page.locator(`#${id} th`);

describe('the dashboard', () => {
  test('says how to begin while there are no records, and shows new figures by itself', async () => {
    const service = await start();
    const { page, strange } = await open(service);
    await page.locator('#empty').waitFor();
    const command = await page.locator('#curl').innerText();
    expect(command).toContain(`${service.url}/logs`);
    const body = /-d '([^']*)'/.exec(command)?.[1] ?? '';
    expect((await post(service, body)).status).toBe(202);

    await page.locator('#empty').waitFor({ state: 'hidden' });
    await soon(() => tile(page, 'Records a second').innerText()).toContain('1 since start');
    expect(await tile(page, 'Answer, p99').innerText()).toMatch(/\d ms\b/);
    expect(await page.locator('#outcomes tr', { hasText: 'Stored' }).innerText()).toMatch(/1\s+100 %$/);
    await post(service, records(499, '/live'));
    await soon(() => tile(page, 'Records a second').innerText()).toContain('500 since start');
    await soon(() => page.locator('#rate-chart canvas').count()).toBe(1);
    expect(strange).toEqual([]);
  });

  test('shows characters that mislead by their code points', async () => {
    const service = await start();
    await post(service, records(3, '/\u202egpj.exe', 'curl\u200b\u009b8'));
    await post(service, [{ ...records(1, '/')[0], timestamp: 'x\u2066' }]);
    await summarised(service, 3);
    const { page, strange } = await open(service);
    await soon(() => bars(page, 'paths').allInnerTexts()).toEqual(['/U+202Egpj.exe']);
    expect(await page.locator('#paths th').first().getAttribute('title')).toBe('/[U+202E]gpj.exe');
    expect(await page.locator('#agents .code-point').allInnerTexts()).toEqual(['U+200B', 'U+009B']);
    await soon(() => page.locator('#refusals .code-point').allInnerTexts()).toEqual(['U+2066']);
    expect(strange).toEqual([]);
  });

  test('shows texts of hostile clients as text', async () => {
    const service = await start();
    await post(service, [...records(3, HOSTILE, HOSTILE), ...records(2, '/plain', BOT)]);
    await post(service, [{ ...records(1, '/')[0], timestamp: SCRIPT }], { 'X-Request-Id': 'hostile-1' });
    await summarised(service, 5);
    const { page, strange } = await open(service);
    await soon(() => bars(page, 'paths').allInnerTexts()).toEqual([HOSTILE, '/plain']);
    expect(await bars(page, 'agents').first().innerText()).toBe(`bot${HOSTILE}`);
    const refusal = page.locator('#refusals tr');
    await soon(() => refusal.count()).toBe(1);
    const cells = await refusal.locator('td').allInnerTexts();
    expect(cells.slice(1)).toEqual([
      '400',
      `record 0 invalid timestamp ${JSON.stringify(SCRIPT)}`,
      'timestamp',
      '1',
      'hostile-1',
    ]);

    expect(await page.locator('.code-point').count()).toBe(0);

    // The same, live.
    await post(service, [{ ...records(1, '/')[0], timestamp: `2${SCRIPT}` }]);
    await soon(() => refusal.count()).toBe(2);
    expect(await refusal.first().innerText()).toContain(`2${SCRIPT}`);
    expect(
      await page.evaluate(
        '[window.hacked, document.images.length, document.querySelectorAll("#content script").length]',
      ),
    ).toEqual([undefined, 1, 0]);
    expect(strange).toEqual([]);
  });

  test('breaks the hours down: by chart, by keyboard, by search, and as CSV', async () => {
    const service = await start();
    await post(service, [...records(30, '/now/a'), ...records(10, '/now/b', BOT), ...records(5, '/before', PERSON, 3)]);
    await summarised(service, 45);
    const { page, strange } = await open(service);
    const title = page.locator('#chosen');
    await soon(() => title.innerText()).toMatch(/ · 45 records$/);
    expect(await page.locator('#split').getAttribute('aria-label')).toBe('People 78 %, Bots 22 %');
    expect(await bars(page, 'agents').nth(1).innerText()).toBe(`bot${BOT}`);
    expect(await bars(page, 'paths').allInnerTexts()).toEqual(['/now/a', '/now/b', '/before']);

    const chart = page.locator('#hour-chart');
    await chart.focus();
    await page.keyboard.press('End');
    await soon(() => title.innerText()).toMatch(/ · 40 records$/);
    expect(await chart.getAttribute('aria-valuetext')).toMatch(/:00 UTC: 40 records$/);
    for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowLeft');
    await soon(() => title.innerText()).toMatch(/ · 5 records$/);
    await page.keyboard.press('Escape');
    await soon(() => title.innerText()).toMatch(/ · 45 records$/);
    const box = await chart.locator('.u-over').boundingBox();
    await page.mouse.click((box?.x ?? 0) + (box?.width ?? 0) - 8, (box?.y ?? 0) + 30);
    await soon(() => title.innerText()).toMatch(/ · 40 records$/);

    await page.getByLabel('Search').fill('NOW/b');
    await soon(() => bars(page, 'paths').allInnerTexts()).toEqual(['/now/b']);
    await page.getByLabel('Search').fill('nothing like it');
    await soon(() => page.locator('#paths').innerText()).toBe('Nothing found.');

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download CSV' }).click(),
    ]);
    const csv = await readFile(await download.path(), 'utf8');
    expect(csv.split('\r\n').slice(0, 3)).toEqual(['dimension,value,requests', 'path,/now/a,30', 'path,/now/b,10']);
    expect(strange).toEqual([]);
  });

  test('goes to the latest hours with records, when the last day has none', async () => {
    const service = await start();
    await post(service, records(7, '/old'));
    const { page } = await open(service);
    // The summary comes after the page.
    await soon(() => page.locator('#chosen').innerText()).toMatch(/ · 7 records$/);
    expect(await page.locator('#range-note').innerText()).toMatch(/^The last 24 hours have no records/);
    await page.getByRole('button', { name: '24 hours' }).click();
    await soon(() => page.locator('#chosen').innerText()).toMatch(/ · 0 records$/);
    expect(new URL(page.url()).hash).toMatch(/^#from=\d{4}-\d\d-\d\dT\d\d&to=/);
  });

  test('refreshes until the summaries are there, even when it was open long before them', async () => {
    // The page asks again each 15 s; the first time there is nothing yet.
    const service = await start({ env: { LOGFORGE_AGGREGATION_INTERVAL: '20s' } });
    await post(service, records(7, '/old'));
    const { page } = await open(service);
    await soon(() => page.locator('#chosen').innerText()).toMatch(/ · 0 records$/);
    await expect.poll(() => page.locator('#chosen').innerText(), { timeout: 60_000 }).toMatch(/ · 7 records$/);
  });

  test('refuses invalid ranges, and keeps the last one', async () => {
    const service = await start();
    const { page, strange } = await open(service);
    await soon(() => page.locator('#chosen').innerText()).toMatch(/ 0 records$/);
    const before = page.url();
    for (const [from, to, message] of [
      ['2026-01-02T05:00', '2026-01-02T04:00', 'The range ends before it begins.'],
      ['2026-01-02T05:00', '2026-01-02T05:00', 'The range ends before it begins.'],
      ['', '2026-01-02T05:00', 'Give both ends'],
      ['2026-01-02T05:00', '2026-03-02T05:00', 'at most 31 days'],
    ] as const) {
      await page.locator('#from').fill(from);
      await page.locator('#to').fill(to);
      await page.getByRole('button', { name: 'Show', exact: true }).click();
      expect(await page.locator('#range-error').innerText()).toContain(message);
      expect(await page.locator('#from').getAttribute('aria-invalid')).toBe('true');
      expect(page.url()).toBe(before);
    }
    await page.getByRole('button', { name: '7 days' }).click();
    await soon(() => page.locator('#range-error').innerText()).toBe('');
    expect(strange).toEqual([]);
  });

  test('falls back to the last day when the address has no valid range', async () => {
    const service = await start();
    for (const hash of ['#from=yesterday&to=2026-01-01T00', '#from=2026-01-02T00&to=2026-01-01T00', '#from=<script>']) {
      const { page, strange } = await open(service, `/${hash}`);
      await soon(() => page.locator('#range-error').innerText()).toMatch(/^The address has no valid range: /);
      expect(await page.locator('[data-hours="24"]').getAttribute('aria-pressed')).toBe('true');
      expect(strange).toEqual([]);
    }
  });

  test('says when the service does not answer, and goes on when it answers again', async () => {
    const service = await start();
    const { page } = await open(service);
    await service.stop();
    await page.locator('#status[data-state=lost]').waitFor();
    expect(await page.getByRole('status').innerText()).toBe('Disconnected');
    expect(await page.locator('#trouble').innerText()).toMatch(/^The figures are not up to date: /);
    const again = await start({ dirs: service.dirs, args: ['--addr', `127.0.0.1:${service.port}`] });
    await page.locator('#status[data-state=live]').waitFor();
    expect(await page.locator('#trouble').isVisible()).toBe(false);
    await post(again, records(3, '/back'));
    await soon(() => tile(page, 'Records a second').innerText()).toContain('3 since start');
  });

  test('shows the queue of version 2, here with an unavailable broker', async () => {
    const env = { LOGFORGE_VERSION: '2', LOGFORGE_KAFKA_BROKERS: '127.0.0.1:1' };
    const service = await start({ env });
    const { page, strange } = await open(service);
    expect((await post(service, records(9, '/spooled'))).status).toBe(202);
    await soon(() => tile(page, 'Spool').innerText()).toMatch(/^Spool\n[\d.]+ ?[KiB]+\n1 batch, oldest /);
    expect(await tile(page, 'Breaker').innerText()).toMatch(/\nbroker unavailable$/);
    await soon(() => page.locator('#outcomes tr', { hasText: 'Waiting' }).innerText()).toMatch(/9\s+100 %$/);
    expect(await page.locator('#settings').innerText()).toContain('queue.spool');
    expect(strange).toEqual([]);
  });

  test('asks for a key when the service needs one, and shows none', async () => {
    const service = await start({ env: { LOGFORGE_AUTH_ENABLED: 'true', LOGFORGE_AUTH_KEYS: 'open-sesame' } });
    const page = await openEmpty();
    await page.goto(service.url);
    const field = page.getByLabel('API key');
    await field.fill('wrong');
    await page.keyboard.press('Enter');
    await soon(() => page.locator('#key-error').innerText()).toBe('This key is not valid.');
    expect(await page.locator('#content').isVisible()).toBe(false);
    await field.fill('open-sesame');
    await page.keyboard.press('Enter');
    await page.locator('#status[data-state=live]').waitFor();
    const settings = await page.locator('#settings').innerText();
    expect(settings).toContain('********');
    expect(await page.content()).not.toContain('open-sesame');
    await page.reload();
    await page.locator('#status[data-state=live]').waitFor();
  });

  test('says so when a key may not read, and fits every screen while it asks', async () => {
    const env = {
      LOGFORGE_AUTH_ENABLED: 'true',
      LOGFORGE_AUTH_KEYS: 'sender',
      LOGFORGE_AUTH_READ_KEYS: 'reader',
      LOGFORGE_AUTH_METRICS: 'true',
    };
    const service = await start({ env });
    const page = await openEmpty();
    await page.goto(service.url);
    const field = page.getByLabel('API key');
    await field.fill('sender');
    await page.keyboard.press('Enter');
    await soon(() => page.locator('#key-error').innerText()).toBe(
      'This API key may not read; use one of auth.readKeys.',
    );
    expect(await page.locator('#content').isVisible()).toBe(false);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await contrastProblems(page)).toEqual([]);
      for (const width of [320, 1_440]) {
        await page.setViewportSize({ width, height: 800 });
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
      }
    }
    await field.fill('reader');
    await page.keyboard.press('Enter');
    await page.locator('#status[data-state=live]').waitFor();
    expect((await page.request.get(`${service.url}/metrics`)).status()).toBe(401);
  });
});

describe('for everyone', () => {
  async function full(): Promise<Awaited<ReturnType<typeof open>>> {
    const service = await start();
    await post(service, [...records(30, '/a'), ...records(10, '/b', BOT)]);
    await post(service, 'not json');
    await summarised(service, 40);
    const opened = await open(service);
    await soon(() => bars(opened.page, 'agents').count()).toBe(2);
    return opened;
  }

  test('is readable in light and dark, as the system says or as chosen', async () => {
    const { page, strange } = await full();
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await background();
    expect(await contrastProblems(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    const dark = await background();
    expect(dark).not.toBe(light);
    expect(await contrastProblems(page)).toEqual([]);

    const button = page.getByRole('button', { name: /^Theme:/ });
    await button.click();
    expect([await background(), await button.getAttribute('aria-label')]).toEqual([light, 'Theme: light']);
    await page.reload();
    expect(await background()).toBe(light);
    await button.click();
    expect([await background(), await button.innerText()]).toEqual([dark, 'Dark']);
    await button.click();
    await page.emulateMedia({ colorScheme: 'light' });
    expect([await background(), await button.innerText()]).toEqual([light, 'Auto']);
    expect(strange).toEqual([]);
  });

  test('can be used without a mouse, and read aloud', async () => {
    const { page } = await full();
    expect(await namelessControls(page)).toEqual([]);
    expect(await page.locator('html').getAttribute('lang')).toBe('en');
    for (const role of ['banner', 'main', 'contentinfo'] as const) expect(await page.getByRole(role).count()).toBe(1);
    const levels = await page.evaluate(
      '[...document.querySelectorAll("h1,h2,h3,h4")].filter((h) => h.checkVisibility()).map((h) => +h.tagName[1])',
    );
    const jumps = (levels as number[]).filter((level, i) => level > ((levels as number[])[i - 1] ?? 0) + 1);
    expect([(levels as number[]).filter((level) => level === 1), jumps]).toEqual([[1], []]);

    // Each stop of the Tab key is visible and marked, in the order of the page.
    const stops: string[] = [];
    let last = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      const stop = (await page.evaluate(`(() => {
        const e = document.activeElement;
        if (e === document.body) return null;
        const { width } = e.getBoundingClientRect();
        // A list of records scrolls by itself.
        const { top } = (e.closest('.records-box') ?? e).getBoundingClientRect();
        const { outlineStyle, outlineWidth } = getComputedStyle(e);
        const sticky = e.closest('header') !== null || e.className === 'skip';
        return { id: e.id || e.textContent.slice(0, 20), top: sticky ? -1 : top + scrollY, width, marked: outlineStyle !== 'none' && outlineWidth !== '0px' };
      })()`)) as { id: string; top: number; width: number; marked: boolean } | null;
      if (stop === null) break;
      if (stops.includes(`${stop.id}@${stop.top}`)) continue;
      expect([stop.id, stop.marked, stop.width > 0]).toEqual([stop.id, true, true]);
      // Controls of one row may be of different height.
      expect(stop.top).toBeGreaterThan(last - 40);
      last = stop.top;
      stops.push(`${stop.id}@${stop.top}`);
    }
    const ids = stops.map((stop) => stop.replace(/@.*/, ''));
    expect(ids[0]).toBe('Skip to the figures');
    expect(ids).toEqual(expect.arrayContaining(['theme', 'from', 'to', 'hour-chart', 'search', 'csv']));
  });

  test('fits every screen', async () => {
    const { page } = await full();
    const widthOf = async (selector: string) => (await page.locator(selector).boundingBox())?.width ?? 0;
    for (const width of [320, 390, 768, 1440, 2560]) {
      await page.setViewportSize({ width, height: 800 });
      await soon(() => page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
      await soon(async () => (await widthOf('#rate-chart')) - (await widthOf('#rate-chart canvas'))).toBeCloseTo(0);
    }
  });
});
