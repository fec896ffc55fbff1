import { describe, expect, test } from 'vitest';
import { docsPage } from './docs-page.ts';
import { openApiDocument } from './openapi.ts';

const AUTH = { enabled: true, headerName: 'X-Token', metrics: false };

function valuesAt(name: string, within: unknown): unknown[] {
  if (typeof within !== 'object' || within === null) return [];
  return Object.entries(within).flatMap(([key, value]) => (key === name ? [value] : valuesAt(name, value)));
}

describe('openApiDocument', () => {
  const document = openApiDocument({ version: '1.2.3', auth: AUTH });

  test('refers only to what it has', () => {
    const references = valuesAt('$ref', document).map(String);
    expect(references.length).toBeGreaterThan(20);
    for (const reference of references) {
      const [root, ...steps] = reference.split('/');
      expect(root).toBe('#');
      const found = steps.reduce<unknown>((at, step) => Object(at)[step], document);
      expect(found, reference).toBeTypeOf('object');
    }
  });

  test('names every operation once', () => {
    const ids = valuesAt('operationId', document);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('tells the parameters as they are checked', () => {
    const { parameters = [] } = document.paths['/analytics']?.get ?? {};
    expect(parameters.map(({ name }) => name)).toEqual(['stream', 'hour', 'from', 'to', 'top']);
    expect(parameters[4]?.schema).toEqual({ type: 'integer', minimum: 1, maximum: 10_000 });
  });

  test('tells which parameters must be there', () => {
    const { parameters = [] } = document.paths['/api/breakdown']?.get ?? {};
    expect(parameters.map(({ name, required }) => [name, required])).toEqual([
      ['stream', false],
      ['from', true],
      ['to', true],
      ['search', false],
    ]);
  });

  test('tells what the events of a stream are', () => {
    const { content = {} } = document.paths['/events']?.get?.responses['200'] ?? {};
    expect(content['text/event-stream']).toEqual({
      schema: { type: 'string' },
      'x-events': {
        stats: { $ref: '#/components/schemas/LiveStats' },
        samples: { $ref: '#/components/schemas/KindSamples' },
        refusal: { $ref: '#/components/schemas/Refusal' },
      },
    });
  });

  test('asks for a key where one is needed, by the configured header', () => {
    expect(document.paths['/logs']?.post?.security).toEqual([{ apiKey: [] }, { bearer: [] }]);
    expect(valuesAt('apiKey', document.components)).toEqual([{ type: 'apiKey', in: 'header', name: 'X-Token' }]);
    const open = openApiDocument({ version: '1', auth: { ...AUTH, enabled: false } });
    expect(open.paths['/logs']?.post?.security).toBeUndefined();
  });
});

describe('docsPage', () => {
  const document = openApiDocument({ version: '<b>1</b>', auth: AUTH });
  const { html, policy } = docsPage(document);

  test('shows every operation, answer and schema, and every link has a target', () => {
    for (const id of valuesAt('operationId', document)) expect(html).toContain(`<h2 id="${id}">`);
    for (const name of Object.keys(document.components.schemas)) expect(html).toContain(`<h3 id="schema-${name}">`);
    const targets = [...html.matchAll(/href="#([^"]+)"/g)].map(([, target]) => target);
    expect(targets.length).toBeGreaterThan(20);
    for (const target of targets) expect(html).toContain(`id="${target}"`);
  });

  test('writes nested types out', () => {
    expect(html).toContain('<td>{ requestsPerPath: integer, requestsPerUserAgent: integer }</td>');
    expect(html).toContain('list of [string, integer]');
    expect(html).toContain('<code>stats</code>: <a href="#schema-LiveStats">LiveStats</a>');
  });

  test('shows its text as text', () => {
    expect(html).toContain('&lt;b&gt;1&lt;/b&gt;');
    expect(html).not.toContain('<b>1</b>');
  });

  test('needs no script and no request to other addresses', () => {
    expect(html).not.toMatch(/<script|<link|<img|@import|url\(|src=|https?:(?!\/\/localhost)/);
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none'/);
  });
});
