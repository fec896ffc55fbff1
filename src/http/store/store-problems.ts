import { type Problem, retryAfter } from '../problem.ts';

export const STORE_IS_OFF: Problem = {
  kind: 'not-found',
  detail: 'the line store is off; set store.enabled, or run logforge store',
};

export const STORE_READS_ONLY: Problem = {
  kind: 'forbidden',
  detail: 'this server only reads (--read-only); send lines to the one that writes',
};

export const TOO_MANY_READERS: Problem = {
  kind: 'overloaded',
  detail: 'too many logs are being read (store.maxReaders)',
  headers: retryAfter(5),
};
