import type { BrowserContext, Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';
import { removeDirs, type Service, type ServiceOptions, startService } from '../support/service.ts';

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

/** A page, and everything that it did but must not do. `prepare`: before it loads anything. */
export async function openPage(
  browser: BrowserContext,
  service: Service,
  path = '/',
  prepare?: (page: Page) => Promise<unknown>,
) {
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
