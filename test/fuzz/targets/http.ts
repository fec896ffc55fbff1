import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDecoders } from '../../../src/decode/decoders.ts';
import type { HttpServer } from '../../../src/http/http.ts';
import { createHttpServer } from '../../../src/http/server/server.ts';
import { createMetrics, writeExposition } from '../../../src/metrics/metrics.ts';
import { ACCESS_STREAM } from '../../../src/model/stream.ts';
import { createAccounting } from '../../../src/service/accounting.ts';
import { createIngest } from '../../../src/service/ingest.ts';
import { createKindTally } from '../../../src/service/kind-tally.ts';
import { DECODE_OPTIONS } from '../../support/decode-options.ts';
import type { Random } from '../../support/random.ts';
import { createMemoryRegistry } from '../../support/registry.ts';
import { type FuzzTarget, promise } from '../fuzz.ts';
import { mostAnswers } from './http-reference.ts';
import { API_KEY, type HttpPlan, makePlan, SMALL_BODY_BYTES } from './http-requests.ts';

const decoders = createDecoders(ACCESS_STREAM);

/*
 * The same bytes to both readers of requests: the fast path, and node:http alone. Both must give the same answers, store the same lines,
 * and say of the same answer that it is the last one. Each by itself: every connection ends, nothing is stored without a 202, and there are
 * no more answers than requests.
 *
 * Deadlines are short, so every connection ends by itself. What the time decides may differ on a busy machine, so a difference counts only
 * when it comes again each time with longer deadlines, and with no other plan beside it.
 */

const DEADLINE_MS = 400;
const CONFIRMATIONS = 3;
/** Of a connection that the server did not end; far beyond all deadlines. */
const HANG_MS = 20_000;

/** Headers that differ by their nature: the time, and ids that the server gives. */
const IDS = /^[0-9a-f]{8}-[0-9a-z]+$/;

interface Outcome {
  /** Status, headers and body of each answer, as text. */
  readonly answers: readonly string[];
  /** What was received after the last whole answer. */
  readonly rest: string;
  /** Lines, keys and reasons of what was delivered. */
  readonly stored: readonly string[];
  readonly unaccounted: number;
  readonly isHanging: boolean;
}

export const httpTarget: FuzzTarget = {
  name: 'http',
  atOnce: 48,
  runsPerSecond: 20,
  make: (random: Random) => encodePlan(makePlan(random)),
  mutate: (input, random) =>
    encodePlan({ ...parsePlan(input), ...(random.chance(0.5) ? { endsItsSide: true } : makePlan(random)) }),
  simpler: (input) => simplerPlans(parsePlan(input)),
  async check(input) {
    const plan = parsePlan(input);
    if (faultOf(plan, await runBoth(plan, 1)) === undefined) return;
    let fault: string | undefined;
    for (let again = 0; again < CONFIRMATIONS; again++) {
      fault = await alone(async () => faultOf(plan, await runBoth(plan, 2)));
      if (fault === undefined) return;
    }
    promise(fault === undefined, () => fault ?? '');
  },
};

let last: Promise<unknown> = Promise.resolve();

/** Runs the work when no other is run by `alone`. */
function alone<T>(work: () => Promise<T>): Promise<T> {
  const result = last.then(work);
  last = result.catch(() => undefined);
  return result;
}

function encodePlan(plan: HttpPlan): Buffer {
  return Buffer.from(`${JSON.stringify(plan, undefined, 1)}\n`);
}

function parsePlan(input: Buffer): HttpPlan {
  // A file of testdata or of this target.
  return JSON.parse(input.toString()) as HttpPlan;
}

function* simplerPlans(plan: HttpPlan): Generator<Buffer> {
  const { writes } = plan;
  if (plan.setup !== 'open') yield encodePlan({ ...plan, setup: 'open' });
  if (plan.endsItsSide) yield encodePlan({ ...plan, endsItsSide: false });
  if (writes.length > 1) yield encodePlan({ ...plan, writes: [writes.join('')] });
  for (let i = 0; i < writes.length; i++) {
    const text = writes[i] ?? '';
    const lines = text.split('\r\n');
    for (let size = lines.length; size >= 1; size = Math.floor(size / 2)) {
      for (let at = 0; at < lines.length; at += size) {
        const rest = lines.filter((_, index) => index < at || index >= at + size).join('\r\n');
        yield encodePlan({ ...plan, writes: writes.with(i, rest).filter((piece) => piece !== '') });
      }
    }
  }
}

async function runBoth(plan: HttpPlan, patience: number): Promise<{ readonly fast: Outcome; readonly node: Outcome }> {
  const [fast, node] = await Promise.all([runPlan(plan, patience, false), runPlan(plan, patience, true)]);
  return { fast, node };
}

function faultOf(
  plan: HttpPlan,
  { fast, node }: { readonly fast: Outcome; readonly node: Outcome },
): string | undefined {
  const most = mostAnswers(Buffer.from(plan.writes.join(''), 'latin1'));
  for (const [path, outcome] of [
    ['the fast path', fast],
    ['node:http', node],
  ] as const) {
    const final = outcome.answers.filter((answer) => !answer.startsWith('1'));
    const accepted = final.filter((answer) => answer.startsWith('202'));
    if (outcome.isHanging) return `${path} does not end the connection: ${JSON.stringify(outcome)}`;
    if (final.length > Math.max(1, most))
      return `${path} gave ${final.length} answers to ${most} requests: ${JSON.stringify(outcome)}`;
    if (outcome.stored.length > accepted.length)
      return `${path} stored a batch without a 202: ${JSON.stringify(outcome)}`;
    if (outcome.unaccounted !== 0) return `${path} has ${outcome.unaccounted} records unaccounted for`;
  }
  const [a, b] = withoutKnownDifferences(plan, fast, node).map((outcome) => JSON.stringify(outcome, undefined, 1));
  return a === b ? undefined : `the fast path: ${a}\nnode:http: ${b}`;
}

/*
 * The differences that stay, and why:
 *
 * 1. Bytes that are no request, after requests that wait for their answer. node:http reads ahead, so it finds them before it has answered:
 *    the last answer says `Connection: close`, and they get none. The fast path reads them after it has answered: they get an answer of
 *    their own, which is the last. Either way the client learns that nothing after its last request was served.
 * 2. A client that ends its side after its last request. The fast path knows that no request follows, and says `Connection: close`;
 *    node:http does not say it. Both answer, and then end the connection.
 * 3. The order in which batches are stored that a client sends without waiting for the answers. They are served side by side, and a
 *    compressed one takes longer. The answers keep the order of the requests.
 * 4. A head that is wrong and has no end. node:http finds the wrong byte; the fast path waits for the end of the head, until its time is over.
 */
function withoutKnownDifferences(plan: HttpPlan, fast: Outcome, node: Outcome): readonly [Outcome, Outcome] {
  if (isOfConnection(fast.answers.at(-1)) && fast.answers.length === node.answers.length) {
    const [late, wrong] = [fast.answers.at(-1) ?? '', node.answers.at(-1) ?? ''];
    if (late.includes('the headers did not arrive') && wrong.includes('the request is not HTTP/1.1'))
      return [withoutLast(fast), withoutLast(node)];
  }
  const [a, b] = withoutAnswerToGarbage(fast, node);
  return plan.endsItsSide ? [closing(a), closing(b)] : [a, b];
}

function withoutAnswerToGarbage(fast: Outcome, node: Outcome): readonly [Outcome, Outcome] {
  const isExtra = (one: Outcome, other: Outcome) =>
    one.answers.length > 1 && one.answers.length === other.answers.length + 1 && isOfConnection(one.answers.at(-1));
  if (isExtra(fast, node)) return [withoutLast(fast), closing(node)];
  if (isExtra(node, fast)) return [closing(fast), withoutLast(node)];
  return [fast, node];
}

/** Made without a request, so without an id. */
function isOfConnection(answer = ''): boolean {
  return !answer.includes('\nx-request-id: ') && answer.includes('\nconnection: close\n');
}

function withoutLast(outcome: Outcome): Outcome {
  return closing({ ...outcome, answers: outcome.answers.slice(0, -1) });
}

function closing(outcome: Outcome): Outcome {
  if (outcome.answers.length === 0) return outcome;
  const answers = outcome.answers.with(
    -1,
    outcome.answers
      .at(-1)
      ?.replace(/\nconnection: keep-alive\n/, '\nconnection: close\n')
      .replace(/\nkeep-alive: .*/, '') ?? '',
  );
  return { ...outcome, answers };
}

async function runPlan(plan: HttpPlan, patience: number, isNodeAlone: boolean): Promise<Outcome> {
  const stored: string[] = [];
  const { server, unaccounted } = startServer(plan, { deadlineMs: DEADLINE_MS * patience, isNodeAlone, stored });
  const { port } = await server.listen();
  try {
    const { received, isHanging } = await talk(port, plan, patience);
    // What was read is stored before the server has stopped.
    await server.close({ graceMs: 5_000 });
    return { ...parseAnswers(received), stored: stored.sort(), unaccounted: unaccounted(), isHanging };
  } finally {
    await server.close({ graceMs: 0 });
  }
}

function startServer(
  { setup }: HttpPlan,
  {
    deadlineMs,
    isNodeAlone,
    stored,
  }: { readonly deadlineMs: number; readonly isNodeAlone: boolean; readonly stored: string[] },
): { readonly server: HttpServer; readonly unaccounted: () => number } {
  const metrics = createMetrics({ defaultMetrics: false });
  const accounting = createAccounting(metrics);
  const ingest = createIngest({
    decodersOf: () => decoders,
    decode: DECODE_OPTIONS,
    delivered: 'stored',
    accounting,
    tally: createKindTally({ metrics, clock: () => 0 }),
    metrics,
    clock: () => 0,
    async deliver(batch, note = {}) {
      await new Promise(setImmediate);
      const lines = batch.map(({ hour, count, lines: text }) => `${hour} ${count} ${text.toString('latin1')}`);
      const letters = note.deadLetters?.map(({ reason, raw }) => `${reason} ${raw}`) ?? [];
      const { key = '', owner = '', bodyHash = '' } = note.idempotency ?? {};
      stored.push([...lines, ...letters, key, owner, bodyHash].join('|'));
      return { durability: 'disk' };
    },
  });
  const unused = () => Promise.reject(new Error('unused'));
  const server = createHttpServer({
    streams: ['access'],
    mappings: ['caddy'],
    host: '127.0.0.1',
    port: 0,
    hosts: ['a', 'localhost'],
    limits: {
      maxBodyBytes: setup === 'small' ? SMALL_BODY_BYTES : 1024 * 1024,
      maxInFlightBytes: 64 * 1024 * 1024,
      headersTimeoutMs: deadlineMs,
      bodyTimeoutMs: deadlineMs,
      requestTimeoutMs: HANG_MS,
      keepAliveTimeoutMs: deadlineMs,
      maxConnections: 1_000,
    },
    auth: {
      enabled: setup === 'auth',
      headerName: 'X-API-Key',
      keys: [API_KEY],
      readKeys: [],
      adminKeys: [],
      metrics: false,
    },
    version: { version: '1', commit: 'c', buildDate: 'd', pipeline: 1, node: 'n' },
    listStreams: async () => [],
    ingest,
    checkReadiness: async () => ({ storage: { ok: true, detail: 'writable' } }),
    analytics: { ask: async () => ({ kind: 'none' }), breakdown: unused, series: unused },
    aggregate: unused,
    records: { open: unused, next: unused, close: unused },
    dashboard: {
      live: { snapshot: unused, subscribe: () => () => undefined, tail: () => () => undefined },
      hourTotals: { totals: async () => [], latest: async () => undefined },
      diskUse: () => Promise.reject(new Error('unused')),
      settings: {},
    },
    registry: createMemoryRegistry().registry,
    noteRefusal: () => undefined,
    metrics,
    metricsText: async () => writeExposition(metrics, []),
    serviceStats: () => Promise.reject(new Error('unused')),
    clock: () => 0,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    ...(isNodeAlone && { handleOf: () => undefined }),
  });
  return { server, unaccounted: accounting.unaccounted };
}

/** Does what the plan says, and reads to the end of the connection. */
async function talk(
  port: number,
  { writes, endsItsSide }: HttpPlan,
  patience: number,
): Promise<{ received: Buffer; isHanging: boolean }> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const parts: Buffer[] = [];
  const over = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => over.resolve(true), HANG_MS);
  socket.on('data', (part: Buffer) => parts.push(part));
  for (const event of ['end', 'error', 'close'] as const) socket.on(event, () => over.resolve(false));
  for (const [index, text] of writes.entries()) {
    if (index > 0) await sleep(3 * patience);
    if (!socket.writable) break;
    socket.write(Buffer.from(text, 'latin1'));
  }
  if (endsItsSide && socket.writable) socket.end();
  const isHanging = await over.promise;
  clearTimeout(timer);
  socket.destroy();
  return { received: Buffer.concat(parts), isHanging };
}

function parseAnswers(received: Buffer): Pick<Outcome, 'answers' | 'rest'> {
  const answers: string[] = [];
  let at = 0;
  for (;;) {
    const headEnd = received.indexOf('\r\n\r\n', at);
    if (headEnd === -1) break;
    const [statusLine = '', ...lines] = received.toString('latin1', at, headEnd).split('\r\n');
    const fields = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
    );
    const length = fields.get('content-length') ?? '0';
    // Without this check a wrong length goes back, and the loop has no end.
    promise(/^\d+$/.test(length), () => `an answer has the Content-Length ${JSON.stringify(length)}`);
    const end = headEnd + 4 + (isWithoutBody(received, headEnd + 4) ? 0 : Number(length));
    if (end > received.length) break;
    const text = received.toString('latin1', headEnd + 4, end);
    answers.push(`${statusLine.slice('HTTP/1.1 '.length)}\n${describeFields(fields)}\n${text}`);
    at = end;
  }
  return { answers, rest: received.toString('latin1', at) };
}

/** The answer to a HEAD has the length of a body, and none: the next answer follows, or nothing. No body begins like an answer. */
function isWithoutBody(received: Buffer, at: number): boolean {
  return at === received.length || received.toString('latin1', at, at + 9) === 'HTTP/1.1 ';
}

function describeFields(fields: ReadonlyMap<string, string>): string {
  return [...fields]
    .map(([name, value]) => [name, name === 'date' || (name === 'x-request-id' && IDS.test(value)) ? '…' : value])
    .sort(([a = ''], [b = '']) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
}
