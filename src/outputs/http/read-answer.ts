import { RefusedError, type Sent } from '../outputs.ts';
import { type Answer, parseObject } from './service-post.ts';

/** Reads an answer to POST /logs. Throws RefusedError, and an Error for a success that is not of this service. */
export function readSent({ status, headers, text }: Answer): Sent {
  const body = parseObject(text);
  const rejections = readRejections(body.errors);
  const duplicate = headers['idempotency-replayed'] === 'true';
  if (status >= 200 && status < 300) {
    if (status !== 202 || typeof body.accepted !== 'number') throw unreadable(text);
    const rejected = typeof body.rejected === 'number' ? body.rejected : 0;
    return { accepted: body.accepted, duplicate, rejections, rejected };
  }
  if (status === 400 && rejections.length > 0) {
    const rejected = typeof body.errorCount === 'number' ? body.errorCount : rejections.length;
    return { accepted: 0, duplicate, rejections, rejected };
  }
  throw refusal({ status, headers, text });
}

/** Why an answer is none of a success. */
export function refusal({ status, headers, text }: Answer): RefusedError {
  if (status >= 300 && status < 400) {
    const { location = 'another address' } = headers;
    return new RefusedError(status, `it redirects to ${location}; give the address of the service itself`);
  }
  const { detail, type } = parseObject(text);
  return new RefusedError(status, typeof detail === 'string' ? detail : excerptOf(text), kindOf(type));
}

export function unreadable(text: string): Error {
  return new Error(`cannot read the answer to a batch: ${excerptOf(text)}`);
}

function excerptOf(text: string): string {
  return text.slice(0, 200);
}

/** `urn:logforge:problem:too-many-hours` → `too-many-hours` */
function kindOf(type: unknown): string {
  return (typeof type === 'string' && /^urn:logforge:problem:(.+)$/.exec(type)?.[1]) || '';
}

function readRejections(errors: unknown): { index: number; reason: string }[] {
  if (!Array.isArray(errors)) return [];
  return errors.filter(
    (error): error is { index: number; reason: string } =>
      typeof error === 'object' &&
      error !== null &&
      typeof error.index === 'number' &&
      typeof error.reason === 'string',
  );
}
