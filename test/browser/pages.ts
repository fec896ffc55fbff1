import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, vi } from 'vitest';
import { openBrowser } from '../support/chromium.ts';
import {
  type Dirs,
  makeDirs,
  removeDirs,
  type Service,
  type ServiceOptions,
  startService,
} from '../support/service.ts';

/** The first run installs Chromium. */
const START_MS = 700_000;
/** Generous: a real service and a real browser, beside other tests. */
const TEST_MS = 120_000;

export const soon = <T>(read: () => T) => expect.poll(read, { timeout: 30_000 });

/** A service whose summaries come soon. It ends with the test. */
export async function start(options: ServiceOptions = {}): Promise<Service> {
  const env = { LOGFORGE_AGGREGATION_INTERVAL: '200ms', ...options.env };
  const service = await startService({ ...options, env });
  onTestFinished(async () => {
    await service.stop('SIGKILL');
    await removeDirs(service.dirs);
  });
  return service;
}

/** The same, with a configuration. `former`: the folders of a service that has ended, for it to go on with. */
export async function startWith(config: string, former?: Dirs): Promise<Service> {
  const dirs = former ?? (await makeDirs());
  const path = join(dirs.root, 'logforge.yaml');
  await writeFile(path, config);
  return start({ dirs, args: ['--config', path] });
}

/** The browser of the tests of a file, from before the first to after the last. Gives what opens a page in it. */
export function useBrowser(options: BrowserContextOptions = {}) {
  vi.setConfig({ testTimeout: TEST_MS });
  let browser: BrowserContext;
  beforeAll(async () => {
    browser = await openBrowser({ viewport: { width: 1280, height: 900 }, ...options });
  }, START_MS);
  afterAll(() => browser?.close());
  return {
    /** See openPage. */
    open: (service: Service, path?: string, prepare?: Prepare) => openPage(browser, service, path, prepare),
    /** An empty page, for a service whose page does not go live. */
    async openEmpty(): Promise<Page> {
      const page = await browser.newPage();
      onTestFinished(() => page.close());
      return page;
    },
  };
}

type Prepare = (page: Page) => Promise<unknown>;

/** A page, and everything that it did but must not do. `prepare`: before it loads anything. */
async function openPage(browser: BrowserContext, service: Service, path = '/', prepare?: Prepare) {
  const page = await browser.newPage();
  onTestFinished(() => page.close());
  await prepare?.(page);
  const strange: string[] = [];
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== service.url && protocol !== 'blob:') strange.push(`asked ${request.url()}`);
  });
  page.on('pageerror', (error) => void strange.push(`threw ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    if (/content security policy|refused to/i.test(message.text())) strange.push(message.text());
  });
  await page.goto(`${service.url}${path}`);
  await page.locator('#status[data-state=live]').waitFor();
  return { page, strange };
}
