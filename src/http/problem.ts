/** Every error that this service answers, as RFC 9457 problem details. `type` says which one it is. */
const PROBLEMS = {
  'bad-request': { status: 400, title: 'Bad request' },
  'malformed-body': { status: 400, title: 'The body cannot be read' },
  'too-many-hours': { status: 400, title: 'The batch belongs to too many hours' },
  'invalid-records': { status: 400, title: 'The batch has invalid records' },
  'invalid-lines': { status: 400, title: 'The batch has an invalid line' },
  unauthorized: { status: 401, title: 'A valid API key is needed' },
  forbidden: { status: 403, title: 'Not allowed here' },
  'not-found': { status: 404, title: 'Not found' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  timeout: { status: 408, title: 'The request took too long to arrive' },
  'incompatible-schema': { status: 409, title: 'The schema is not compatible with an earlier version' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'Unsupported content type' },
  'unsupported-content-encoding': { status: 415, title: 'Unsupported content encoding' },
  'expectation-failed': { status: 417, title: 'Expectation failed' },
  'misdirected-request': { status: 421, title: 'Not served under this name' },
  'unprocessable-batch': { status: 422, title: 'The batch cannot be stored' },
  'idempotency-conflict': { status: 422, title: 'The Idempotency-Key belongs to another body' },
  'invalid-schema': { status: 422, title: 'The schema cannot be registered' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  'headers-too-large': { status: 431, title: 'The headers are too large' },
  'unsupported-transfer-encoding': { status: 501, title: 'Unsupported transfer encoding' },
  'unsupported-format': { status: 501, title: 'Unsupported format' },
  unavailable: { status: 503, title: 'Not available now' },
  overloaded: { status: 503, title: 'Overloaded' },
  draining: { status: 503, title: 'Shutting down' },
  'not-ready': { status: 503, title: 'Not ready' },
} as const;

export type ProblemKind = keyof typeof PROBLEMS;

/** The `type` of every problem there is. */
export const PROBLEM_TYPES: readonly string[] = Object.keys(PROBLEMS).map(typeOf);

export interface Problem {
  readonly kind: ProblemKind;
  /** What went wrong with this request, for people. */
  readonly detail: string;
  /** Members beside the standard ones. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** Header names and values, by turns. */
  readonly headers?: readonly string[];
}

export const PROBLEM_TYPE = 'application/problem+json';

export function problemStatus(kind: ProblemKind): number {
  return PROBLEMS[kind].status;
}

/** The JSON body of a problem. */
export function problemBody({ kind, detail, extra }: Problem): string {
  const { status, title } = PROBLEMS[kind];
  return JSON.stringify({ type: typeOf(kind), title, status, detail, ...extra });
}

/** The header that tells a client to try again after `seconds`. */
export function retryAfter(seconds: number): readonly string[] {
  return ['Retry-After', String(Math.max(1, Math.ceil(seconds)))];
}

/** A problem as a whole HTTP/1.1 answer, for a connection without a readable request. Its own `headers` are left out. */
export function rawProblem(problem: Problem): string {
  const { status, title } = PROBLEMS[problem.kind];
  const body = problemBody(problem);
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    `Date: ${new Date().toUTCString()}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

function typeOf(kind: string): string {
  return `urn:logforge:problem:${kind}`;
}
