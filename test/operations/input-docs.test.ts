import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchorsOf } from '../../scripts/docs-check.ts';
import { loadConfig } from '../../src/config/config.ts';
import { INPUT_TYPES } from '../../src/config/schema.ts';
import { INPUT_DROPS, INPUT_REFUSALS } from '../../src/metrics/metrics.ts';
import { REPOSITORY } from '../support/service.ts';

const read = (page: string): string => readFileSync(join(REPOSITORY, page), 'utf8');
const names = readdirSync(join(REPOSITORY, 'docs')).filter((name) => name.endsWith('.md'));

/** The text below a heading, to the next heading of any level. */
function sectionOf(page: string, heading: string): string {
  const [, rest] = read(page).split(`${heading}\n`, 2);
  expect(rest, `${page} has no heading ${heading}`).toBeDefined();
  return rest?.split(/^#{1,6} /m, 1)[0] ?? '';
}

describe('a newcomer', () => {
  it('finds every page of the documents from the README', () => {
    const readme = read('README.md');
    expect(names.filter((name) => !readme.includes(`(docs/${name})`))).toEqual([]);
  });

  it('finds the files of certificates that the documents name after make certs', () => {
    const named = ['README.md', ...names.map((name) => `docs/${name}`)].flatMap((page) =>
      [...read(page).matchAll(/\bcerts\/[\w-]+\.pem/g)].map(([file]) => file),
    );
    const made = [...read('scripts/make-certs.sh').matchAll(/\$dir\/([\w-]+\.pem)\b(?!\.)/g)].map(
      ([, file]) => `certs/${file}`,
    );
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((file) => !made.includes(file))).toEqual([]);
  });
});

describe('the pages of inputs', () => {
  it.each([
    'docs/inputs.md',
    'docs/input-formats.md',
    'docs/forward.md',
  ])('have examples that are valid (%s)', (page) => {
    const examples = [...read(page).matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, text = '']) => text);
    expect(examples.length).toBeGreaterThan(0);
    for (const text of examples) expect(() => loadConfig({ file: page, text: `version: 1\n${text}` })).not.toThrow();
  });

  it('say of each type how its frames end and what it does when it cannot keep up', () => {
    const table = sectionOf('docs/inputs.md', '## Types');
    const missing = INPUT_TYPES.filter((type) => !table.split('\n').some((row) => row.startsWith(`| \`${type}\` |`)));
    expect(missing).toEqual([]);
  });

  it('have the walk-throughs of the universal port and of two programs on one machine', () => {
    const anchors = anchorsOf(read('docs/inputs.md'));
    expect([...anchors]).toEqual(
      expect.arrayContaining(['the-universal-port', 'from-one-program-to-another-on-one-machine']),
    );
  });
});

describe('the runbook', () => {
  it('says what to do for each reason why an input drops frames', () => {
    const section = sectionOf('docs/operations.md', '### LogforgeInputDrops');
    expect(INPUT_DROPS.filter((reason) => !section.includes(`\n- \`${reason}\`: `))).toEqual([]);
  });

  it('says what to do for each reason why an input closes connections, but for idle ones', () => {
    const section = sectionOf('docs/operations.md', '### LogforgeInputRefuses');
    expect(INPUT_REFUSALS.filter((reason) => reason !== 'idle' && !section.includes(`\`${reason}\``))).toEqual([]);
  });
});
