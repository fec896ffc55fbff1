import { describe, expect, test } from 'vitest';
import { MAX_LISTED_REJECTIONS, MalformedBodyError } from '../../decode/decode.ts';
import { NoRoomError, TooManyHoursError } from '../../lines/batch-limits.ts';
import { BatchTooLargeError, IdempotencyConflict, PermanentError, UnavailableError } from '../../model/deliver.ts';
import type { IngestResult } from '../../service/service.ts';
import { ACCEPTED, type CreateServer, problemOf, startFixture } from './contract-fixture.case.ts';

export function describeResults(create: CreateServer): void {
  describe('answers the result of ingest', () => {
    test('202 with the durability of the batch', async () => {
      const answer = '{"accepted":2,"rejected":1,"errors":[{"reason":"ü"}]}';
      const { post } = await startFixture(create, { ingest: async () => ({ ...ACCEPTED, answer, durability: 'os' }) });
      const { status, headers, body } = await post();
      expect([status, headers.get('content-type'), body]).toEqual([202, 'application/json', answer]);
      expect(headers.get('logforge-durability')).toBe('os');
      expect(headers.has('idempotency-replayed')).toBe(false);
      expect(headers.get('date')).toBeDefined();
    });

    test('202 with Idempotency-Replayed for a replay', async () => {
      const { post } = await startFixture(create, { ingest: async () => ({ ...ACCEPTED, replayed: true }) });
      const answer = await post({ headers: ['Idempotency-Key: k'] });
      expect([answer.status, answer.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    });

    test('400 with the invalid records that ingest lists, the first in detail, and the number of all', async () => {
      const rejections = Array.from({ length: MAX_LISTED_REJECTIONS }, (_, index) => ({
        index,
        field: 'path',
        reason: `record ${index} missing path`,
        raw: 'secret',
      }));
      const result: IngestResult = { kind: 'invalid', rejections, rejected: 345 };
      const { post } = await startFixture(create, { ingest: async () => result });
      const answer = await post();
      const problem = problemOf(answer);
      expect(answer.status).toBe(400);
      expect(problem).toMatchObject({ type: 'urn:logforge:problem:invalid-records', errorCount: 345 });
      expect(problem.detail).toBe('record 0 missing path');
      expect(problem.errors).toHaveLength(MAX_LISTED_REJECTIONS);
      expect(answer.body).toContain('{"index":99,"field":"path","reason":"record 99 missing path"}');
      expect(answer.body).not.toContain('secret');
    });

    test.each([
      [400, 'malformed-body', new MalformedBodyError('not JSON: line 1, column 3')],
      [422, 'idempotency-conflict', new IdempotencyConflict('k')],
      [413, 'body-too-large', new BatchTooLargeError('the batch is too large for the broker', { bytes: 2, limit: 1 })],
      [400, 'too-many-hours', new TooManyHoursError('the batch has records of more than 2 hours')],
      [422, 'unprocessable-batch', new PermanentError('the broker will never take the batch')],
    ])('%i %s', async (status, kind, error) => {
      const { post, logged } = await startFixture(create, { ingest: () => Promise.reject(error) });
      const answer = await post();
      expect(answer.status).toBe(status);
      expect(problemOf(answer)).toMatchObject({ type: `urn:logforge:problem:${kind}`, detail: error.message });
      expect(logged).toEqual([]);
    });

    test('503 when there is no room for the lines of the batch', async () => {
      const { post, metric, logged } = await startFixture(create, {
        limits: { maxInFlightBytes: 1_000 },
        ingest: () => Promise.reject(new NoRoomError('there is no room for the lines of the batch')),
      });
      const answer = await post();
      expect(logged).toEqual([]);
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
      expect(problemOf(answer)).toMatchObject({
        type: 'urn:logforge:problem:overloaded',
        detail: 'too many request bytes in flight (limit 1000 bytes); nothing was stored',
      });
      expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
    });

    test.each([
      [7, 7],
      [0.2, 1],
      [2.5, 3],
    ])('503 with Retry-After when it is unavailable for %f s', async (seconds, header) => {
      const ingest = () => Promise.reject(new UnavailableError('the disk is full', seconds));
      const { post } = await startFixture(create, { ingest });
      const answer = await post();
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, String(header)]);
      expect(problemOf(answer).detail).toBe('the disk is full');
    });

    test('503 with a plain warning that names the cause, when the storage is unavailable', async () => {
      const ingest = () => Promise.reject(new UnavailableError('the disk is full', 1));
      const { post, logged } = await startFixture(create, { ingest });
      await post({ headers: ['X-Request-Id: mine'] });
      const fields = { requestId: 'mine', reason: 'the disk is full' };
      expect(logged).toEqual([{ level: 'warn', message: 'cannot store a batch now', fields }]);
    });

    test('503 for a defect, which is logged and not shown to the client', async () => {
      const { post, logged } = await startFixture(create, {
        ingest: () => {
          throw new TypeError('secret detail');
        },
      });
      const answer = await post();
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
      expect(answer.body).not.toContain('secret');
      expect(logged).toMatchObject([{ level: 'error', message: 'cannot ingest a batch' }]);
      expect(logged[0]?.fields).toHaveProperty('err');
    });
  });
}
