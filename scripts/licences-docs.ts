/** `make docs`: writes the licences of the packages that are installed with logforge into SECURITY.md, from package-lock.json. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceBetween } from './bench-docs.ts';

const ROOT = join(import.meta.dirname, '..');
export const LICENCES_PAGE = join(ROOT, 'SECURITY.md');

/** The licences under which a package may come: none of them asks anything of programs that use it. */
export const ALLOWED_LICENCES = [
  '(Apache-2.0 AND BSD-3-Clause)',
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
  'Unlicense',
];

interface LockedPackage {
  readonly license?: string;
  readonly dev?: boolean;
}

/** The names of the packages by licence, without those that only developers install (`dev`; `devOptional` are optional packages of others as well). A package for one platform counts as its family. */
export function licencesOf(lock: {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}): Map<string, string[]> {
  const names = new Map<string, Set<string>>();
  for (const [path, { license = 'unknown', dev }] of Object.entries(lock.packages)) {
    if (path === '' || dev) continue;
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length).replace(PLATFORM, '');
    names.set(license, (names.get(license) ?? new Set()).add(name));
  }
  return new Map([...names].sort().map(([licence, found]) => [licence, [...found].sort()]));
}

const PLATFORM = /-(android|darwin|freebsd|linux|win32|wasm32)-.*$/;

/** SECURITY.md with the present table. */
export function renderLicencesPage(): string {
  const rows = [...licencesOf(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')))].map(
    ([licence, found]) => `| ${licence} | ${found.map((name) => `\`${name}\``).join(', ')} |`,
  );
  const table = ['| licence | packages |', '|---|---|', ...rows].join('\n');
  return replaceBetween(readFileSync(LICENCES_PAGE, 'utf8'), 'licences', table);
}

if (import.meta.main) writeFileSync(LICENCES_PAGE, renderLicencesPage());
