import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { ROUTES } from '../api/routes.ts';
import { type AnswerDoc, examplePath, HEADERS, type OperationDoc } from '../docs/api-operation.ts';
import { OPERATIONS } from '../docs/operations.ts';
import { REGISTRY_ROUTES } from '../registry/registry-routes.ts';
import { SCHEMA_ROUTES } from '../registry/schema-routes.ts';
import { DRIVES } from './contract-drives.case.ts';
import { type CreateServer, postBytes, startFixture } from './contract-fixture.case.ts';
import type { RawAnswer } from './raw-client.case.ts';

function documentedAnswers(): (readonly [string, OperationDoc, number])[] {
  return OPERATIONS.flatMap((operation) =>
    Object.keys(operation.answers).map(
      (status) => [`${operation.method} ${operation.path} ${status}`, operation, Number(status)] as const,
    ),
  );
}

/** Checks an answer against its documentation: status, media type, body and headers. */
function expectDocumented(answer: RawAnswer, operation: OperationDoc, status: number): void {
  const doc = operation.answers[status];
  expect(answer.status).toBe(status);
  const mediaType = answer.headers.get('content-type')?.split(';')[0];
  const types = Object.keys(doc?.content ?? {});
  if (types.length === 0) expect([mediaType, answer.body]).toEqual([undefined, '']);
  else expect(types).toContain(mediaType);
  const schema: z.ZodType | undefined = doc?.content[mediaType ?? ''];
  if (schema !== undefined) expectIs(schema, mediaType?.endsWith('json') ? parse(answer.body) : answer.body);
  if (doc?.events !== undefined) expectEvents(answer.body, doc.events);
  for (const name of ['X-Request-Id', ...(doc?.headers ?? [])]) {
    expect(Object.keys(HEADERS)).toContain(name);
    expect(answer.headers.get(name.toLowerCase())).toMatch(/./);
  }
}

/** Without `__proto__`, which zod leaves out of a map. Another test covers it. */
function parse(text: string): unknown {
  return JSON.parse(text, (name, value) => (name === '__proto__' ? undefined : value));
}

/** The value has every member of the schema, and no other. */
function expectIs(schema: z.ZodType, value: unknown): void {
  const parsed = schema.safeParse(value);
  expect(parsed.error?.message).toBeUndefined();
  expect(value).toEqual(parsed.data);
}

function expectEvents(body: string, events: NonNullable<AnswerDoc['events']>): void {
  const [, ...blocks] = body.split('\n\n').filter((block) => block !== '');
  expect(blocks.length).toBeGreaterThan(0);
  for (const block of blocks) {
    const [, name = ''] = /^event: (.+)/.exec(block) ?? [];
    expect(Object.keys(events)).toContain(name);
    const schema = events[name];
    const data = [...block.matchAll(/^data: (.*)$/gm)].map(([, line = '']) => line);
    for (const line of data) if (schema !== undefined) expectIs(schema, parse(line));
    expect(data.length).toBeGreaterThan(0);
  }
}

/** `threads`: how many threads serve the port. */
export function describeDocumented(create: CreateServer, threads = 1): void {
  const drivesOf = (name: string) =>
    (DRIVES[name] ?? []).filter(({ onOneThread = false }) => threads === 1 || !onOneThread);

  describe('answers as documented', () => {
    test('and a drive exists for every documented answer', () => {
      expect(Object.keys(DRIVES).toSorted()).toEqual(
        documentedAnswers()
          .map(([name]) => name)
          .toSorted(),
      );
    });

    test('and every route is documented', () => {
      expect(ROUTES.filter((route) => !OPERATIONS.some(({ path }) => path === route))).toEqual([]);
      const inRegistry = [
        ...REGISTRY_ROUTES.map(([method, path]) => `${method} /registry${path}`),
        ...SCHEMA_ROUTES.map(([method, path]) => `${method} ${path}`),
      ];
      const documented = OPERATIONS.filter(({ path }) => /^\/(registry|schema)\//.test(path));
      expect(documented.map(({ method, path }) => `${method.toUpperCase()} ${path}`).toSorted()).toEqual(
        inRegistry.map((line) => line.replace(/:(\w+)/g, '{$1}')).toSorted(),
      );
    });

    const driven = documentedAnswers().filter(([name]) => drivesOf(name).length > 0);
    test.each(driven)('%s', async (name, operation, status) => {
      for (const { setup, ask } of drivesOf(name)) {
        expectDocumented(await ask(await startFixture(create, setup)), operation, status);
      }
    });

    test('other methods on every documented path: 405', async () => {
      const { ask } = await startFixture(create);
      for (const { path } of OPERATIONS) {
        const answer = await ask(`PATCH ${examplePath(path)} HTTP/1.1\r\nHost: a\r\n\r\n`);
        expect([path, answer.status]).toEqual([path, 405]);
        const methods = OPERATIONS.flatMap((one) => (one.path === path ? [one.method.toUpperCase()] : []));
        const allowed = methods.flatMap((method) => (method === 'GET' ? [method, 'HEAD'] : [method]));
        expect(answer.headers.get('allow')?.split(', ').toSorted()).toEqual(allowed.toSorted());
      }
    });
  });

  test('a batch with an unknown parameter is stored like any other', async () => {
    const { ask } = await startFixture(create);
    expect((await ask(postBytes({ target: '/logs?unknown=1' }))).status).toBe(202);
  });
}
