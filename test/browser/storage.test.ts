import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { makeDirs, type Service } from '../support/service.ts';
import { contrastProblems, namelessControls } from './accessibility.ts';
import { soon, start, useBrowser } from './pages.ts';

const MIB = 2 ** 20;

const { open } = useBrowser();

/** A service that finds hours of these lengths in MiB, by their path under `logs`. */
async function startOn(hours: Readonly<Record<string, number>>): Promise<Service> {
  const dirs = await makeDirs();
  for (const [name, mib] of Object.entries(hours)) {
    const path = join(dirs.logs, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${' '.repeat(mib * MIB - 1)}\n`);
  }
  return start({ dirs });
}

/** Beside other tests a step of the walk may take long, and the pause after it fifty times as long. */
const walked = <T>(read: () => T) => expect.poll(read, { timeout: 90_000 });
const label = (page: Page) => page.locator('#disk-chart').getAttribute('aria-label');
const legend = (page: Page) => page.locator('#disk-legend li').allInnerTexts();
const row = async (page: Page, name: string) => {
  const cells = await page.locator('#disk-streams tr', { hasText: name }).locator('td').allInnerTexts();
  return cells.join(' | ');
};
/** The bytes beside the cursor over the last bar. */
async function lastBar(page: Page): Promise<string> {
  const box = await page.locator('#disk-chart .u-over').boundingBox();
  await page.mouse.move((box?.x ?? 0) + (box?.width ?? 0) - 12, (box?.y ?? 0) + 30);
  return page.locator('#disk-chart .tip').innerText();
}

describe('storage', () => {
  test('shows the days of the chosen stream by form, and all streams, and says when it cannot', async () => {
    const service = await startOn({
      '2015-05-17/10.log.json': 3,
      '2015-05-18/10.log.json': 1,
      '2015-05-18/11.log.json.zst': 2,
      'events/2015-05-18/11.log.json': 5,
    });
    const { page, strange } = await open(service);
    await walked(() => label(page)).toBe(
      'Bytes on disk by day of the stream access: 2 days: plain 4.0 MiB, compressed 2.0 MiB',
    );
    expect(await legend(page)).toEqual(['plain', 'compressed']);
    await page.locator('#disk-chart').scrollIntoViewIfNeeded();
    await soon(() => lastBar(page)).toMatch(/^18 May 2015\n3\.0 MiB\ncompressed\s*2\.0 MiB\nplain\s*1\.0 MiB$/);
    await soon(() => row(page, 'access')).toBe('2 | 4.0 MiB | 2.0 MiB');
    await walked(() => row(page, 'events')).toBe('1 | 5.0 MiB | 0 B');
    expect(await row(page, 'Commit journal')).toMatch(/^ \| [\d.]+ [KM]?i?B \| $/);

    await page.getByLabel('Stream', { exact: true }).selectOption('events');
    await walked(() => label(page)).toBe('Bytes on disk by day of the stream events: 1 day: plain 5.0 MiB');
    expect(await legend(page)).toEqual(['plain']);
    await page.locator('#disk-chart').scrollIntoViewIfNeeded();
    await soon(() => lastBar(page)).toMatch(/^18 May 2015\n5\.0 MiB\n/);

    await page.route('**/api/disk*', (route) => route.fulfill({ status: 503, body: '{"detail":"not now"}' }));
    await page.getByLabel('Stream', { exact: true }).selectOption('access');
    await soon(() => page.locator('#disk-error').innerText()).toBe('Cannot show this: not now.');
    await page.unroute('**/api/disk*');
    await page.getByLabel('Stream', { exact: true }).selectOption('events');
    await soon(() => page.locator('#disk-error').innerText()).toBe('');
    expect(strange).toEqual([]);
  });

  test('has the bars as a table, also the days that are too old for a bar', async () => {
    const service = await startOn({ '2014-01-01/10.log.json': 3, '2015-05-18/10.log.json': 1 });
    const { page, strange } = await open(service);
    await walked(() => page.locator('#disk-days').innerText()).toBe(
      'access: 2 days: plain 4.0 MiB. 1 older day without a bar: see the table',
    );
    await page.locator('#disk-table summary').click();
    const rows = await page.locator('#disk-rows tr').allInnerTexts();
    expect(rows.map((text) => text.split('\t'))).toEqual([
      ['Day (UTC)', 'Plain', 'Compressed'],
      ['18 May 2015', '1.0 MiB', '0 B'],
      ['1 Jan 2014', '3.0 MiB', '0 B'],
    ]);
    expect(await namelessControls(page)).toEqual([]);
    expect(strange).toEqual([]);
  });

  test('follows what is stored, and says when nothing is', async () => {
    const service = await startOn({});
    const { page } = await open(service);
    await walked(() => label(page)).toBe('Bytes on disk by day of the stream access: 0 days');
    await page.locator('#disk-table summary').click();
    await soon(() => page.locator('#disk-rows').innerText()).toContain('Nothing is stored.');
    const record = { timestamp: '2015-05-17T10:00:00Z', path: '/', userAgent: 'a'.repeat(1_000) };
    const response = await fetch(`${service.url}/logs`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(Array.from({ length: 10 }, () => record)),
    });
    expect(response.status).toBe(202);
    const picker = page.getByLabel('Stream', { exact: true });
    await walked(async () => {
      await picker.selectOption('events');
      await picker.selectOption('access');
      return label(page);
    }).toMatch(/: 1 day: plain 10\.\d KiB$/);
  });

  test('is readable on every screen, in light and dark', async () => {
    const service = await startOn({
      ...Object.fromEntries(
        Array.from({ length: 8 }, (_, i) => [`2015-05-${String(i + 20).padStart(2, '0')}/10.log.json`, (i % 5) + 1]),
      ),
      '2015-05-26/11.log.json.zst': 2,
      '2015-05-27/11.log.json.zst': 3,
      'events/2015-05-18/11.log.json': 5,
    });
    const { page, strange } = await open(service);
    await walked(() => label(page)).toContain('8 days');
    await page.locator('#disk-table summary').click();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await contrastProblems(page)).toEqual([]);
      for (const width of [320, 390, 1_280]) {
        await page.setViewportSize({ width, height: 900 });
        await soon(() => page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
        await page.locator('section[aria-labelledby=storage-title]');
        const over = `(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('.disk').parentElement)`;
        expect(await page.evaluate(over)).toBeLessThanOrEqual(0);
      }
    }
    expect(strange).toEqual([]);
  });
});
