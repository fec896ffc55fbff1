import { expect, test } from 'vitest';
import { prefersJson } from './stats.ts';

test.each([
  'application/json',
  'Application/JSON; charset=utf-8',
  'application/json, */*',
  'application/json, text/plain;q=0.5',
  'text/plain;q=0.1, application/json;q=0.2',
])('%s asks for JSON', (accept) => {
  expect(prefersJson(accept)).toBe(true);
});

test.each([
  undefined,
  '',
  '*/*',
  'application/*',
  'text/plain',
  'application/json;q=0',
  'application/json;q=x',
  'application/json;q=0.4, text/plain;q=0.5',
  'application/json, text/plain',
  'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  // Prometheus 3.
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1',
])('%s asks for text', (accept) => {
  expect(prefersJson(accept)).toBe(false);
});
