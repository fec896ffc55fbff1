import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core';
import { ensurePackage } from './debian.ts';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The path of Chromium: LOGFORGE_CHROMIUM, or a usual place. apt-get installs it when the tests may do that. */
async function findChromium(): Promise<string> {
  const given = process.env.LOGFORGE_CHROMIUM;
  if (given !== undefined) return given;
  const found = () => PLACES.find((path) => existsSync(path));
  await ensurePackage('chromium', () => found() !== undefined);
  const path = found();
  if (path !== undefined) return path;
  throw new Error('cannot find Chromium: set LOGFORGE_CHROMIUM to its path');
}

/** A browser with a new profile, which is deleted with it. It sends requests only to the pages under test. */
export async function openBrowser(options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const executablePath = await findChromium();
  const profile = await mkdtemp(join(tmpdir(), 'logforge-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    ...options,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  context.on('close', () => void rm(profile, { recursive: true, force: true, maxRetries: 5 }));
  return context;
}
