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

async function request(path, { accept = 'application/json', more = {}, signal } = {}) {
  const headers = { Accept: accept, ...more };
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

/**
 * The records of an answer, as lines, at most so many bytes of them: they may be long. `isCut`: there are more. `damaged`: the parts of hours
 * that are left out because they cannot be read, {parts, places}; of an answer that is cut undefined. Fails where the answer breaks off.
 */
export async function getRecords(path, { signal, maxBytes }) {
  const more = { 'X-Logforge-Damaged': 'line' };
  const response = await request(path, { accept: 'application/x-ndjson', more, signal });
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let [text, read] = ['', 0];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    read += value.length;
    text += decoder.decode(value, { stream: true });
    if (read < maxBytes) continue;
    await reader.cancel();
    break;
  }
  const lines = text.split('\n');
  // Of a line that was cut nothing is shown.
  lines.pop();
  if (read >= maxBytes) return { lines, isCut: true };
  const { damaged } = JSON.parse(lines.pop());
  return { lines, isCut: false, damaged };
}

const SILENCE_MS = 5000;
const RETRY_MS = [500, 1000, 2000, 5000];

/**
 * Reads the event stream, and connects again whenever it is lost. It uses fetch, because an EventSource cannot send a key.
 * `handlers`: by the name of the event; they get its data through `parse`. `onState`: 'live', 'lost' with a reason, or 'refused' with a
 * reason, which ends it; so does `signal`. `silenceMs`: a connection that is silent for longer is dead, even when the system has not noticed.
 */
export function readEvents(path, handlers, onState, options = {}) {
  let attempt = 0;
  const run = async () => {
    for (;;) {
      const onOpen = () => {
        attempt = 0;
        onState('live');
      };
      const reason = await readStream(path, handlers, { silenceMs: SILENCE_MS, parse: JSON.parse, ...options, onOpen });
      if (options.signal?.aborted) return;
      if (isKeyProblem(reason)) return onState('refused', reason);
      onState('lost', reason);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(attempt++, RETRY_MS.length - 1)]));
    }
  };
  void run();
}

/** Resolves to the reason why the stream ended. */
async function readStream(path, handlers, { signal, silenceMs, parse, onOpen }) {
  const abort = new AbortController();
  const either = signal === undefined ? abort.signal : AbortSignal.any([abort.signal, signal]);
  let timer;
  const listen = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), silenceMs);
  };
  try {
    listen();
    const response = await request(path, { accept: 'text/event-stream', signal: either });
    onOpen();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return new Error('the service ended the stream');
      listen();
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop();
      for (const block of blocks) dispatch(block, handlers, parse);
    }
  } catch (error) {
    return error instanceof ApiError ? error : new Error('the service does not answer');
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

function dispatch(block, handlers, parse) {
  const event = /^event: (.*)$/m.exec(block)?.[1];
  const data = block
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice(6));
  if (event !== undefined && data.length > 0) handlers[event]?.(parse(data.join('\n')));
}
