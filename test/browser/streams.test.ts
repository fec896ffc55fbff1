import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import type { Dirs, Service } from '../support/service.ts';
import { contrastProblems, namelessControls } from './accessibility.ts';
import { colourDistance, colourOf, contrastOf } from './colours.ts';
import { soon, startWith, useBrowser } from './pages.ts';

const CONFIG = `streams:
  - { name: orders, required: [state], countBy: [state, city] }
  - { name: beats, countBy: [] }
`;
/** On a fixed day long ago, so that no new hour begins during a test. */
const LATEST = Date.parse('2015-05-17T10:30:00Z');
const RANGE = 'from=2015-05-16T11&to=2015-05-17T11';

const { open } = useBrowser();

const startStreams = (former?: Dirs) => startWith(CONFIG, former);

const copies = (count: number, record: object, hoursAgo = 0) =>
  Array.from({ length: count }, () => ({
    timestamp: new Date(LATEST - hoursAgo * 3_600_000).toISOString(),
    ...record,
  }));
const event = (level: string, service = 'db') => ({ level, service, message: 'm' });
const order = (city: string) => ({ state: 'paid', city });

/** Sends records to a stream and waits until they are counted. */
async function send(service: Service, stream: string, records: readonly object[]): Promise<void> {
  const response = await fetch(`${service.url}/logs/${stream}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(records),
  });
  expect(response.status).toBe(202);
  const url = `${service.url}/api/hours?stream=${stream}&${RANGE}`;
  const counted = async () => {
    const { totals } = (await (await fetch(url)).json()) as { totals: (number | null)[] };
    return totals.reduce<number>((sum, total) => sum + (total ?? 0), 0);
  };
  await soon(counted).toBe(records.length);
}

const EVENTS = [
  ...copies(5, event('INFO')),
  ...copies(3, event('ERROR', 'api')),
  ...copies(2, event('TRACE')),
  ...copies(4, event('WARN', 'auth'), 3),
];

const deferred = () => Promise.withResolvers<void>();

const title = (page: Page) => page.locator('#chosen').innerText();
const legend = (page: Page) => page.locator('#hour-legend li').allInnerTexts();
const list = (page: Page, index: number) => page.locator(`#list-${index} th`).allInnerTexts();
const captions = (page: Page) => page.locator('#lists caption').allInnerTexts();
const hash = (page: Page) => new URL(page.url()).hash;

/** The names of the legend whose colours stand in the bar of an hour, from its foot up, read from the canvas. */
async function barOf(page: Page, hour: number): Promise<string[]> {
  return (await page.evaluate(`(() => {
    const over = document.querySelector('#hour-chart .u-over');
    const canvas = document.querySelector('#hour-chart canvas');
    const scale = canvas.width / canvas.clientWidth;
    const x = (over.offsetLeft + over.clientWidth * (${hour} + 0.5) / 24) * scale;
    const { data } = canvas.getContext('2d').getImageData(x, 0, 1, canvas.height);
    const names = new Map([...document.querySelectorAll('#hour-legend li')].map((li) =>
      [getComputedStyle(li.querySelector('.key-dot')).backgroundColor, li.textContent]));
    const found = [];
    for (let y = canvas.height - 1; y >= 0; y--) {
      const [r, g, b, a] = data.subarray(y * 4, y * 4 + 4);
      const name = a === 255 ? names.get('rgb(' + [r, g, b].join(', ') + ')') : undefined;
      if (name !== undefined && name !== found.at(-1)) found.push(name);
    }
    return found;
  })()`)) as string[];
}

describe('streams on the page', () => {
  test('shows events by level, and keeps the choice in the address', async () => {
    const service = await startStreams();
    await send(service, 'events', EVENTS);
    const { page, strange } = await open(service);
    const picker = page.getByLabel('Stream', { exact: true });
    expect(await picker.inputValue()).toBe('access');
    expect(await picker.locator('option').allInnerTexts()).toEqual(['access', 'events', 'orders', 'beats']);
    expect(await page.locator('#hour-legend').isVisible()).toBe(false);
    expect(await page.locator('#empty').isVisible()).toBe(false);

    await picker.selectOption('events');
    await soon(() => title(page)).toMatch(/ · 14 records$/);
    // The most severe first, whatever their numbers.
    expect(await legend(page)).toEqual(['ERROR', 'WARN', 'INFO', 'TRACE']);
    expect(await barOf(page, 23)).toEqual(['ERROR', 'INFO', 'TRACE']);
    expect(await barOf(page, 20)).toEqual(['WARN']);
    expect(await barOf(page, 19)).toEqual([]);
    await soon(() => captions(page)).toEqual(['level 4', 'service 3']);
    await soon(() => list(page, 1)).toEqual(['INFO', 'WARN', 'ERROR', 'TRACE']);
    await soon(() => list(page, 2)).toEqual(['db', 'auth', 'api']);
    expect(await page.locator('#audience').isVisible()).toBe(false);
    expect(hash(page)).toBe('#stream=events');

    await page.reload();
    await soon(() => title(page)).toMatch(/ · 14 records$/);
    expect(await picker.inputValue()).toBe('events');
    await page.getByRole('button', { name: 'service', exact: true }).click();
    await soon(() => legend(page)).toEqual(['db', 'auth', 'api']);
    expect(hash(page)).toBe('#stream=events&by=service');
    await page.reload();
    await soon(() => legend(page)).toEqual(['db', 'auth', 'api']);
    expect(await barOf(page, 23)).toEqual(['db', 'api']);

    await picker.selectOption('access');
    await soon(() => title(page)).toMatch(/ · 0 records$/);
    await soon(() => captions(page)).toEqual(['Paths 0', 'User agents 0']);
    expect([hash(page), await page.locator('#audience').isVisible(), await legend(page)]).toEqual(['', true, []]);
    expect(strange).toEqual([]);
  });

  test('says the numbers without colours: at the cursor, aloud, and as a table', async () => {
    const service = await startStreams();
    await send(service, 'events', EVENTS);
    const { page, strange } = await open(service, `/#stream=events&${RANGE}`);
    await soon(() => title(page)).toMatch(/ · 14 records$/);
    const chart = page.locator('#hour-chart');
    expect(await chart.getAttribute('aria-valuetext')).toMatch(/: 14 records: ERROR 3, WARN 4, INFO 5, TRACE 2$/);
    await chart.focus();
    await page.keyboard.press('End');
    expect(await chart.getAttribute('aria-valuetext')).toMatch(/10:00 UTC: 10 records: ERROR 3, INFO 5, TRACE 2$/);
    await soon(() => list(page, 1)).toEqual(['INFO', 'ERROR', 'TRACE']);
    await page.keyboard.press('Escape');

    const box = await chart.locator('.u-over').boundingBox();
    await page.mouse.move((box?.x ?? 0) + (box?.width ?? 0) - 8, (box?.y ?? 0) + 30);
    const tip = chart.locator('.tip');
    await soon(() => tip.innerText()).toMatch(/^17 May 2015 10:00 UTC\n10 records\n/);
    expect((await tip.locator('.tip-rows div').allInnerTexts()).map((text) => text.replace(/\s+/g, ' '))).toEqual([
      'TRACE 2',
      'INFO 5',
      'ERROR 3',
    ]);

    await page.getByText('Show the bars as a table').click();
    const rows = page.locator('#hour-rows tr');
    await soon(() => rows.count()).toBe(3);
    expect((await rows.allInnerTexts()).map((text) => text.split('\t'))).toEqual([
      ['Hour (UTC)', 'Records', 'ERROR', 'WARN', 'INFO', 'TRACE'],
      ['17 May 2015 10:00', '10', '3', '0', '5', '2'],
      ['17 May 2015 07:00', '4', '0', '4', '0', '0'],
    ]);
    expect(await namelessControls(page)).toEqual([]);
    expect(strange).toEqual([]);
  });

  test('shows the twelve largest values of an own stream, and the others together', async () => {
    const service = await startStreams();
    const cities = Array.from({ length: 15 }, (_, i) => `city ${String(i).padStart(2, '0')}`);
    await send(
      service,
      'orders',
      cities.flatMap((city, i) => copies(20 - i, order(city))),
    );
    const { page, strange } = await open(service, '/#stream=orders&by=city');
    await soon(() => legend(page)).toEqual([...cities.slice(0, 12), 'other']);
    expect(await barOf(page, 23)).toEqual([...cities.slice(0, 12), 'other']);
    expect(await page.locator('#hour-chart').getAttribute('aria-valuetext')).toMatch(/, city 11 9, other 21$/);
    await soon(() => captions(page)).toEqual(['state 1', 'city 15']);
    await page.getByLabel('Search').fill('CITY 03');
    await soon(() => list(page, 2)).toEqual(['city 03']);
    await page.getByRole('button', { name: 'state', exact: true }).click();
    await soon(() => legend(page)).toEqual(['paid']);
    expect(strange).toEqual([]);
  });

  test('shows totals alone for a stream that is not counted by any field', async () => {
    const service = await startStreams();
    await send(service, 'beats', copies(6, { up: true }));
    const { page, strange } = await open(service, '/#stream=beats');
    await soon(() => title(page)).toMatch(/ · 6 records$/);
    expect(await page.locator('#lists').innerText()).toBe('The stream beats is not counted by any field (countBy).');
    for (const id of ['hour-legend', 'hour-table', 'fields-row', 'tools', 'audience'])
      expect([id, await page.locator(`#${id}`).isVisible()]).toEqual([id, false]);
    expect(await page.locator('#hour-chart').getAttribute('aria-valuetext')).toBe('The whole range: 6 records');
    expect(strange).toEqual([]);
  });

  test('shows an empty stream as empty', async () => {
    const service = await startStreams();
    const { page, strange } = await open(service, '/#stream=events');
    await soon(() => title(page)).toMatch(/ · 0 records$/);
    expect(await page.locator('#lists td').allInnerTexts()).toEqual([
      'No records in this time.',
      'No records in this time.',
    ]);
    expect(await page.locator('#hour-legend').isVisible()).toBe(false);
    expect(await page.locator('#empty').isVisible()).toBe(true);
    await page.getByText('Show the bars as a table').click();
    await soon(() => page.locator('#hour-rows').innerText()).toContain('No records in this time.');
    expect(strange).toEqual([]);
  });

  test('falls back to access when the address names a stream that does not exist', async () => {
    const service = await startStreams();
    for (const name of ['nope', '__proto__', 'EVENTS', '<img src=x onerror=window.hacked=1>', `${'x'.repeat(300)}`]) {
      const { page, strange } = await open(service, `/#${new URLSearchParams({ stream: name, by: 'level' })}`);
      const text = `The address names a stream that does not exist: ${name.length > 64 ? `${name.slice(0, 64)}…` : name}.`;
      await soon(() => page.locator('#range-error').innerText()).toBe(text);
      expect(await page.getByLabel('Stream', { exact: true }).inputValue()).toBe('access');
      expect([hash(page), await page.evaluate('window.hacked')]).toEqual(['', undefined]);
      expect(await page.locator('[aria-invalid]').count()).toBe(0);
      expect(strange).toEqual([]);
      await page.close();
    }
    const { page } = await open(service, '/#stream=events&by=__proto__');
    await soon(() => hash(page)).toBe('#stream=events');
  });

  test('never shows figures of another stream', async () => {
    const service = await startStreams();
    await send(service, 'events', EVENTS);
    await send(service, 'beats', copies(6, { up: true }));
    const { page } = await open(service, '/#stream=events');
    await soon(() => title(page)).toMatch(/ · 14 records$/);
    const picker = page.getByLabel('Stream', { exact: true });

    // The service answers for one stream after the next one was chosen.
    await send(service, 'orders', copies(9, order('Oslo')));
    const [asked, chosen, answered] = [deferred(), deferred(), deferred()];
    await page.route('**/api/hours?stream=orders*', async (route) => {
      const response = await route.fetch();
      asked.resolve();
      await chosen.promise;
      // The page may have given it up.
      await route.fulfill({ response }).catch(() => undefined);
      answered.resolve();
    });
    await picker.selectOption('orders');
    await asked.promise;
    await picker.selectOption('beats');
    await soon(() => title(page)).toMatch(/ · 6 records$/);
    chosen.resolve();
    await answered.promise;
    await page.evaluate('fetch("health")');
    expect(await page.locator('#hour-chart').getAttribute('aria-valuetext')).toBe('The whole range: 6 records');
    expect([await title(page), await legend(page)]).toEqual([expect.stringMatching(/ · 6 records$/), []]);
    await page.unroute('**/api/hours?stream=orders*');

    await picker.selectOption('events');
    await soon(() => captions(page)).toEqual(['level 4', 'service 3']);
    await page.route('**/api/*?stream=orders*', (route) => route.abort());
    await picker.selectOption('orders');
    await soon(() => page.locator('#breakdown-error').innerText()).toMatch(/^Cannot show this: /);
    expect([await title(page), await captions(page), await legend(page)]).toEqual(['', [], []]);
    await picker.selectOption('events');
    await soon(() => title(page)).toMatch(/ · 14 records$/);
    expect(await page.locator('#breakdown-error').innerText()).toBe('');
  });

  test('shows what each stream stores', async () => {
    const service = await startStreams();
    await send(service, 'events', EVENTS);
    const { page } = await open(service);
    const row = (name: string) => page.locator('#streams tr', { hasText: name }).locator('td').allInnerTexts();
    await soon(async () => (await row('events'))[1]).toBe('14');
    expect((await row('orders'))[1]).toBe('0');
    await send(service, 'beats', copies(6, { up: true }));
    await soon(async () => (await row('beats'))[1]).toBe('6');

    // Started again, the service has counted nothing, but there are records.
    await service.stop();
    const again = await startStreams(service.dirs);
    const { page: later } = await open(again);
    await soon(() => title(later)).toMatch(/ · 0 records$/);
    await soon(() => later.locator('#empty').isVisible()).toBe(false);
    expect(await later.locator('#streams tr', { hasText: 'events' }).innerText()).toMatch(/0\s+0\s+0 B$/);
  });
});

describe('streams for everyone', () => {
  const HOSTILE = [
    '<img src=x onerror=window.hacked=1>',
    '__proto__',
    'constructor',
    'עברית',
    '\u202egpj.exe',
    'x'.repeat(4_000),
    'other',
  ];

  test('shows hostile values as text, readable and inside every screen', async () => {
    const service = await startStreams();
    await send(
      service,
      'orders',
      HOSTILE.flatMap((city, i) => copies(20 - i, order(city))),
    );
    const { page, strange } = await open(service, '/#stream=orders&by=city');
    await soon(async () => (await legend(page)).length).toBe(HOSTILE.length);
    const names = await legend(page);
    expect(names.slice(0, 5)).toEqual([...HOSTILE.slice(0, 4), 'U+202Egpj.exe']);
    await soon(async () => (await list(page, 2)).slice(0, 5)).toEqual(names.slice(0, 5));
    expect(await barOf(page, 23)).toEqual(names);
    await page.getByText('Show the bars as a table').click();
    await soon(() => page.locator('#hour-rows thead th').count()).toBe(HOSTILE.length + 2);
    const box = await page.locator('#hour-chart .u-over').boundingBox();
    await page.mouse.move((box?.x ?? 0) + (box?.width ?? 0) - 8, (box?.y ?? 0) + 30);
    await soon(() => page.locator('#hour-chart .tip').innerText()).toContain('[U+202E]gpj.exe');
    const state = '[window.hacked, document.images.length, ({}).city]';
    expect(await page.evaluate(state)).toEqual([undefined, 1, undefined]);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await contrastProblems(page)).toEqual([]);
      for (const width of [320, 1_440]) {
        await page.setViewportSize({ width, height: 800 });
        await soon(() => page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
        expect(await outside(page)).toEqual([]);
        expect(await scrolling(page)).toEqual([]);
      }
    }
    expect(strange).toEqual([]);
  });

  test('gives the parts colours that everyone tells apart, in light and dark', async () => {
    const service = await startStreams();
    const { page } = await open(service);
    const levels = ['emerg', 'alert', 'crit', 'error', 'warn', 'notice', 'info', 'debug', 'trace'];
    const values = [...Array.from({ length: 12 }, (_, i) => `part-${i + 1}`), 'part-other'];
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const card = await colourOf(page, 'card');
      // Two parts are told apart from 2 on. Neighbours need more; any two levels may be neighbours.
      for (const { names, nearest, neighbours } of [
        { names: levels.map((level) => `level-${level}`), nearest: 6, neighbours: 6 },
        { names: values, nearest: 5, neighbours: 12 },
      ]) {
        const colours = await Promise.all(names.map((name) => colourOf(page, name)));
        const problems = colours.flatMap((colour, i) => [
          ...(contrastOf(colour, card) < 3 ? [`${names[i]} is too near to the card`] : []),
          ...colours
            .slice(0, i)
            .flatMap((other, j) =>
              colourDistance(colour, other) < (i - j === 1 ? neighbours : nearest)
                ? [`${names[i]} is too near to ${names[j]}`]
                : [],
            ),
        ]);
        expect([colorScheme, problems]).toEqual([colorScheme, []]);
      }
    }
  });
});

/** Legend, buttons and lists that reach out of their card. */
async function outside(page: Page): Promise<string[]> {
  return (await page.evaluate(`[...document.querySelectorAll('#hour-legend li, #fields button, #stream, #lists .card, #hour-table .scroll')]
    .filter((element) => element.checkVisibility())
    .filter((element) => {
      const [inner, outer] = [element.getBoundingClientRect(), element.closest('section').getBoundingClientRect()];
      return inner.left < outer.left - 1 || inner.right > outer.right + 1;
    })
    .map((element) => element.outerHTML.slice(0, 120))`)) as string[];
}

/** Tables of figures that do not show all of their columns. */
async function scrolling(page: Page): Promise<string[]> {
  return (await page.evaluate(`[...document.querySelectorAll('.outcomes, .streams, .bars')]
    .filter((table) => table.parentElement.scrollWidth > table.parentElement.clientWidth)
    .map((table) => table.className + ' ' + table.parentElement.scrollWidth + ' ' + table.parentElement.clientWidth)`)) as string[];
}
