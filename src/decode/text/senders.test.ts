import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import { createLayout } from '../../lines/layout.ts';
import { EVENTS_STREAM } from '../../model/stream.ts';
import { encodeFields } from '../decoded-record.ts';
import { escapeBytes } from './escape-bytes.ts';
import { readText } from './read-text.ts';

/* Golden files: testdata/syslog/README.md says how they read. */

const FOLDER = join(import.meta.dirname, '../../../testdata/syslog');
const CONTEXT = { arrival: Date.parse('2025-07-02T17:00:03.250Z'), zone: 'arrival', service: 'raw' } as const;

/** The bytes of a message. `text` has a character for each byte of the file. */
function toMessage(text: string): Buffer {
  const bytes = text.replaceAll(/\\(n|0|x[0-9a-f]{2}|\\)/g, (_, code: string) => {
    if (code === 'n') return '\n';
    return code === '\\' ? '\\' : String.fromCharCode(Number.parseInt(code.slice(1) || '0', 16));
  });
  return Buffer.from(bytes, 'latin1');
}

function read(message: Buffer): string {
  const { fields } = readText(escapeBytes(message), 'auto', CONTEXT);
  const result = encodeFields(createLayout(EVENTS_STREAM), fields, DECODE_OPTIONS);
  return 'problem' in result ? `! ${result.field} ${result.problem}` : result.line.trimEnd();
}

describe.each(readdirSync(FOLDER).filter((name) => name.endsWith('.txt')))('%s', (name) => {
  const lines = readFileSync(join(FOLDER, name), 'latin1').split('\n');
  const messages = lines.flatMap((line, i) => (line.startsWith('> ') ? [[line.slice(2), lines[i + 1] ?? '']] : []));
  test.each(messages)('%s', (message = '', expected = '') => {
    expect(read(toMessage(message))).toBe(Buffer.from(expected, 'latin1').toString());
  });
});
