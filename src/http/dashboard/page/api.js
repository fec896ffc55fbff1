// Requests to the service, with the API key where it needs one.

let key = readKey();

function readKey() {
  try {
    return sessionStorage.getItem('logforge-key') ?? '';
  } catch {
    return '';
  }
}

export function setKey(text) {
  key = text;
  try {
    sessionStorage.setItem('logforge-key', text);
  } catch {
    // Without storage the page asks for the key again after a reload.
  }
}

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The request needs a key, or one of another class. */
export function isKeyProblem(error) {
  return error instanceof ApiError && (error.status === 401 || error.status === 403);
}

async function request(path, { accept = 'application/json', signal } = {}) {
  const headers = { Accept: accept };
  if (key !== '') headers.Authorization = `Bearer ${key}`;
  const response = await fetch(path, { headers, signal, cache: 'no-store' });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new ApiError(response.status, problem.detail ?? `the service answered ${response.status}`);
}

export async function getJson(path, signal) {
  return (await request(path, { signal })).json();
}

export async function getCsv(path) {
  return (await request(path, { accept: 'text/csv' })).blob();
}

const SILENCE_MS = 5000;
const RETRY_MS = [500, 1000, 2000, 5000];

/**
 * Reads the event stream, and connects again whenever it is lost. It uses fetch, because an EventSource cannot send a key.
 * `handlers`: by the name of the event. `onState`: 'live', 'lost' with a reason, or 'refused' with a reason, which ends it.
 */
export function readEvents(path, handlers, onState) {
  let attempt = 0;
  const run = async () => {
    for (;;) {
      const reason = await readStream(path, handlers, () => {
        attempt = 0;
        onState('live');
      });
      if (isKeyProblem(reason)) return onState('refused', reason);
      onState('lost', reason);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(attempt++, RETRY_MS.length - 1)]));
    }
  };
  void run();
}

/** Resolves to the reason why the stream ended. */
async function readStream(path, handlers, onOpen) {
  const abort = new AbortController();
  let timer;
  // The service sends an event each second. A silent connection is dead, even when the system has not noticed.
  const listen = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(new Error('the service sent nothing for 5 seconds')), SILENCE_MS);
  };
  try {
    listen();
    const response = await request(path, { accept: 'text/event-stream', signal: abort.signal });
    onOpen();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return new Error('the service ended the stream');
      listen();
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop();
      for (const block of blocks) dispatch(block, handlers);
    }
  } catch (error) {
    return error instanceof ApiError ? error : new Error('the service does not answer');
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

function dispatch(block, handlers) {
  const event = /^event: (.*)$/m.exec(block)?.[1];
  const data = block
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice(6));
  if (event !== undefined && data.length > 0) handlers[event]?.(JSON.parse(data.join('\n')));
}
