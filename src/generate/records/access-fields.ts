import type { Fields } from '../generate.ts';
import { type MixedLevel, mixLevel } from './levels.ts';
import type { Random } from './random.ts';

const SECTIONS = ['blog', 'images', 'projects', 'articles', 'files', 'static'] as const;
const ENDINGS = ['/', '/index.html', '.html', '.png', '.js', '.css', '?page=2'] as const;
const AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15',
  'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0',
  'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
  'curl/8.5.0',
] as const;
const METHODS = ['GET', 'GET', 'GET', 'GET', 'POST', 'HEAD'] as const;
const PAGES = 400;

const ANSWERS: Readonly<Record<MixedLevel, readonly [number, ...number[]]>> = {
  INFO: [200, 200, 200, 304],
  DEBUG: [200, 200, 200, 304],
  WARN: [404, 403],
  ERROR: [500, 503],
};

/** The fields of a request, without its time. A few paths are frequent, many are rare. */
export function accessFields(random: Random): Fields {
  const page = Math.floor(random.next() ** 3 * PAGES);
  return {
    path: `/${SECTIONS[page % SECTIONS.length]}/page-${page}${ENDINGS[page % ENDINGS.length]}`,
    userAgent: random.pick<string>(AGENTS),
    method: random.pick<string>(METHODS),
    status: random.pick(ANSWERS[mixLevel(random)]),
    bytes: random.int(200, 60_000),
    clientIp: `10.${random.int(0, 255)}.${random.int(0, 255)}.${random.int(1, 254)}`,
  };
}
