import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context, Hono } from 'hono';
import type { Metrics } from '../../metrics/metrics.ts';
import { MAX_LINE_NUMBER } from '../../model/line-store.ts';
import { type Query, readParameters } from '../api/parameters.ts';
import { READING_LIMITS } from '../api/watch-client.ts';
import { storeLogParameters } from '../docs/api-store.ts';
import type { StoredLines } from '../http.ts';
import { type Problem, retryAfter } from '../problem.ts';
import { sendLines, TRAILERS } from './send-lines.ts';
import { sendLogList } from './send-log-list.ts';
import { STORE_IS_OFF, TOO_MANY_READERS } from './store-problems.ts';

/** The routes of the line store. POST /store/batch has its own handler (post-lines.ts). */
export const STORE_ROUTES = ['/store/batch', '/store/log', '/store/files', '/ruok'] as const;

export interface StoreRoutesOptions {
  /** Absent: the line store is off. */
  readonly lineStore?: StoredLines | undefined;
  readonly metrics: Pick<Metrics, 'lineStoreSentLines' | 'lineStoreReaders'>;
  readonly isDraining: () => boolean;
  readonly answerProblem: (problem: Problem) => Response;
}

const DRAINING: Problem = { kind: 'draining', detail: 'the service is shutting down', headers: retryAfter(5) };
const NOT_CACHED = { 'Cache-Control': 'no-store' };

/** GET /ruok, /store/log and /store/files. Each has one form of answer, whatever the Accept header says. */
export function addStoreRoutes(app: Hono, options: StoreRoutesOptions): void {
  const { lineStore, isDraining, answerProblem } = options;
  if (lineStore === undefined) {
    for (const path of STORE_ROUTES) app.all(path, () => answerProblem(STORE_IS_OFF));
    return;
  }
  const takeTurn = createTurns(lineStore.maxReaders, (readers) => options.metrics.lineStoreReaders.set(readers));
  const reading = (answer: typeof answerLog) => async (context: Context) => {
    if (isDraining()) return answerProblem(DRAINING);
    const end = takeTurn();
    if (end === undefined) return answerProblem(TOO_MANY_READERS);
    return answer(context, lineStore, options).finally(end);
  };
  app.get('/ruok', (context) => context.text('imok', 200, NOT_CACHED));
  app.get('/store/log', reading(answerLog));
  app.get('/store/files', reading(answerFiles));
}

/** Gives a function that ends the turn, or undefined while `max` others have theirs. */
function createTurns(max: number, onChange: (taken: number) => void): () => (() => void) | undefined {
  let taken = 0;
  return () => {
    if (taken >= max) return undefined;
    onChange(++taken);
    return () => onChange(--taken);
  };
}

async function answerFiles(context: Context, { store }: StoredLines): Promise<Response> {
  const { incoming, outgoing } = context.env as HttpBindings;
  const headers = { 'Content-Type': 'application/json', ...NOT_CACHED };
  if (incoming.method === 'HEAD') return context.body(null, 200, headers);
  await sendLogList(store, outgoing, { headers, limits: READING_LIMITS });
  return RESPONSE_ALREADY_SENT;
}

async function answerLog(
  context: Context,
  { store }: StoredLines,
  { metrics, answerProblem }: StoreRoutesOptions,
): Promise<Response> {
  const asked = readQuestion(context.req.queries());
  if (typeof asked === 'string') return answerProblem({ kind: 'bad-request', detail: asked });
  const log = await store.find(asked.name);
  if (log === undefined) return answerProblem(unknownLog(asked.name));
  const { incoming, outgoing } = context.env as HttpBindings;
  const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff', ...NOT_CACHED };
  // HEAD comes here too. Nobody would read the lines.
  if (incoming.method === 'HEAD') return context.body(null, 200, { ...headers, Trailer: TRAILERS });
  // What is stored from now on is left to the next request, so that the answer has an end.
  const range = { id: log.id, from: asked.from, to: Math.min(asked.to, log.last + 1) };
  const sent = await sendLines(store, range, outgoing, { headers, limits: READING_LIMITS });
  metrics.lineStoreSentLines.inc(sent);
  return RESPONSE_ALREADY_SENT;
}

interface Question {
  readonly name: { readonly host: string; readonly file: string; readonly generation?: string };
  readonly from: number;
  readonly to: number;
}

/** What GET /store/log is asked for, or what is wrong with it. */
function readQuestion(query: Query): Question | string {
  const read = readParameters(storeLogParameters, query);
  if (typeof read === 'string') return read;
  const { host, file, generation } = read;
  const from = readNumber(read.from, 0);
  const to = readNumber(read.to, MAX_LINE_NUMBER + 1);
  if (from === undefined) return badNumber('from', read.from);
  if (to === undefined) return badNumber('to', read.to);
  if (to <= from) return `the parameter to must be larger than from, ${from}, is ${to}`;
  return { name: { host, file, ...(generation !== undefined && { generation }) }, from, to };
}

function readNumber(text: string | undefined, byDefault: number): number | undefined {
  if (text === undefined || text === '') return byDefault;
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(number) ? number : undefined;
}

function badNumber(name: string, text: string | undefined): string {
  return `the parameter ${name} must be a line number, 0 to ${MAX_LINE_NUMBER}, is ${JSON.stringify(text?.slice(0, 64))}`;
}

function unknownLog({ host, file, generation }: Question['name']): Problem {
  const of = generation === undefined ? '' : ` generation ${generation}`;
  return { kind: 'not-found', detail: `key not found ${host} ${file}${of}` };
}

/** For the requests and the metrics of any route: whether it is one of these. */
export function isStoreRoute(path: string): boolean {
  return path === '/ruok' || path.startsWith('/store/');
}
