import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CONFIG_DOCS, renderConfigDocs } from '../../scripts/config-docs.ts';
import { keysByPath } from './keys.ts';

test('docs/configuration.md is what the schema says (node scripts/config-docs.ts writes it)', () => {
  expect(readFileSync(CONFIG_DOCS, 'utf8')).toBe(renderConfigDocs());
});

test('the reference has every key once', () => {
  const rows = renderConfigDocs().split('\n');
  for (const key of keysByPath.values()) {
    expect(rows.filter((row) => row.endsWith(`| \`${key.env}\` |`))).toHaveLength(1);
    expect(key.leaf.doc).not.toBe('');
  }
});
