import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core';
import { ensurePackage } from './debian.ts';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The real browser: LOGFORGE_CHROMIUM, or where systems have it; installed by apt-get where we may do that. */
async function findChromium(): Promise<string> {
  const given = process.env.LOGFORGE_CHROMIUM;
  if (given !== undefined) return given;
  const found = () => PLACES.find((path) => existsSync(path));
  await ensurePackage('chromium', () => found() !== undefined);
  const path = found();
  if (path !== undefined) return path;
  throw new Error('cannot find Chromium: name it in LOGFORGE_CHROMIUM');
}

/** A browser with a profile of its own, which goes with it. Nothing in it asks anyone but the pages it is sent to. */
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
