// Composes the dashboard: the first picture comes from the API, all later figures from the event stream.

import { ApiError, getJson, isKeyProblem, readEvents, setKey } from './api.js';
import { redrawCharts } from './charts.js';
import { byId, setText } from './dom.js';
import { exactDuration } from './format.js';
import { createFormats } from './formats.js';
import { createHours } from './hours.js';
import { createRefusals, showSettings } from './lists.js';
import { createLive } from './live.js';
import { createRecords } from './records.js';
import { createSources } from './sources.js';
import { createStorage } from './storage.js';

const REFRESH_MS = 15_000;
const THEMES = { auto: 'Auto', light: 'Light', dark: 'Dark' };

const parts = {};
let hasRecords = false;

function showState(state, error) {
  const names = { connecting: 'Connecting', live: 'Live', lost: 'Disconnected' };
  byId('status').dataset.state = state;
  setText(byId('status-text'), names[state] ?? 'Disconnected');
  byId('tiles').classList.toggle('dim', state === 'lost');
  const trouble = byId('trouble');
  trouble.hidden = state !== 'lost';
  if (state === 'lost') setText(trouble, `The figures are not up to date: ${error.message}. The page is trying again.`);
}

function showEmpty({ stats, latestHour }) {
  hasRecords ||= stats.totals.accepted > 0 || latestHour !== null;
  byId('empty').hidden = hasRecords;
}

/** A service that has started again has counted nothing yet, but its streams may have hours. */
async function findRecords(streams) {
  for (const { name } of streams) {
    if (hasRecords) return;
    showEmpty(await getJson(`api/overview?${new URLSearchParams({ stream: name })}`));
  }
}

function showCommands() {
  const base = new URL('.', location.href).href.replace(/\/$/, '');
  const record = JSON.stringify([
    { timestamp: new Date().toISOString().replace(/\.\d+/, ''), path: '/hello', userAgent: 'curl' },
  ]);
  byId('curl').textContent = `curl -H 'Content-Type: application/json' -d '${record}' ${base}/logs`;
  byId('replay-line').textContent = `logforge replay --url ${base} access.log`;
  byId('copy').addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(byId('curl').textContent);
      setText(byId('copy'), 'Copied');
    } catch {
      getSelection().selectAllChildren(byId('curl'));
    }
  });
}

function showOverview(overview) {
  const { version, settings } = overview;
  setText(
    byId('about'),
    `${version.version} · ${version.pipeline === 1 ? 'direct to files' : 'through Kafka'} · durability ${settings.storage?.durability ?? ''}`,
  );
  setText(
    byId('foot'),
    `logforge ${version.version}, commit ${version.commit.slice(0, 12)}, Node.js ${version.node}. All times are UTC.`,
  );
  const interval = settings.aggregation?.interval;
  const delay = interval === undefined ? '' : `; updated within ${exactDuration(interval)}`;
  setText(byId('hours-note'), `UTC, by the records’ own time${delay}`);
  showSettings(settings, version.pipeline);
  showEmpty(overview);
  byId('content').hidden = false;
  parts.live.reset(overview);
  parts.refusals.reset(overview.refusals);
  showFormats(overview);
  parts.sources.follow(settings.logging?.sources === true);
}

function showFormats({ stats, samples }) {
  parts.formats.add(stats);
  if (samples !== undefined) parts.formats.samples(samples);
}

/** How often the stream has brought sample lines. */
let sampleEvents = 0;

/** Without its sample lines where the stream was faster: lines that do not change come once. */
async function fetchOverview() {
  const before = sampleEvents;
  const overview = await getJson('api/overview');
  return sampleEvents === before ? overview : { ...overview, samples: undefined };
}

/** Fetches what the page missed while the stream was lost. */
async function catchUp() {
  try {
    showOverview(await fetchOverview());
  } catch {
    // The state of the stream shows that the service does not answer.
  }
}

/** Adds what came between the first request of the page and the opening of its stream. */
async function mergeMissed() {
  try {
    const overview = await fetchOverview();
    parts.refusals.merge(overview.refusals);
    showFormats(overview);
  } catch {
    // The state of the stream shows that the service does not answer.
  }
}

/** `interval`: how much later than the records their summaries may come, in milliseconds. */
function listen(interval) {
  let last = { stored: -1, at: 0 };
  let lost = false;
  readEvents(
    'events',
    {
      stats(stats) {
        parts.live.add(stats);
        parts.formats.add(stats);
        if (stats.totals.accepted > 0) showEmpty({ stats, latestHour: null });
      },
      refusal: (refusal) => parts.refusals.add(refusal),
      samples(samples) {
        sampleEvents++;
        parts.formats.samples(samples);
      },
    },
    (state, error) => {
      showState(state, error);
      if (state === 'live') void (lost ? catchUp() : mergeMissed());
      lost = state === 'lost';
    },
  );
  setInterval(async () => {
    if (document.hidden || lost) return;
    parts.storage.refresh();
    try {
      const { stream } = parts.hours;
      const { stats, latestHour } = await getJson(`api/overview?${new URLSearchParams({ stream })}`);
      const { stored } = stats.totals;
      const now = Date.now();
      if (stored !== last.stored) last = { stored, at: now };
      // Summaries come later than the records: refresh until the last of them must be there.
      const mayHaveMore = now - last.at <= interval + 2 * REFRESH_MS;
      if (mayHaveMore && stream === parts.hours.stream) parts.hours.refresh(latestHour);
    } catch {
      // The state of the stream shows that the service does not answer.
    }
  }, REFRESH_MS);
}

async function start() {
  try {
    const [overview, { streams }] = await Promise.all([getJson('api/overview'), getJson('streams')]);
    byId('key-form').hidden = true;
    showOverview(overview);
    await Promise.all([findRecords(streams), parts.hours.open(streams)]);
    listen(overview.settings.aggregation?.interval ?? 0);
  } catch (error) {
    if (isKeyProblem(error)) return askKey(error);
    showState('lost', error instanceof ApiError ? error : new Error('the service does not answer'));
    setTimeout(start, 2000);
  }
}

function askKey({ status, message }) {
  byId('status').dataset.state = 'connecting';
  setText(byId('status-text'), 'Key needed');
  byId('trouble').hidden = true;
  const wrong = status === 403 ? `${message[0].toUpperCase()}${message.slice(1)}.` : 'This key is not valid.';
  setText(byId('key-error'), byId('key-form').hidden ? '' : wrong);
  byId('key-form').hidden = false;
  byId('key').focus();
}

byId('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  setKey(byId('key').value.trim());
  void start();
});

function showTheme() {
  const theme = document.documentElement.dataset.theme ?? 'auto';
  setText(byId('theme-name'), THEMES[theme]);
  byId('theme').setAttribute('aria-label', `Theme: ${theme === 'auto' ? 'same as the system' : theme}`);
}

byId('theme').addEventListener('click', () => {
  const order = Object.keys(THEMES);
  const next = order[(order.indexOf(document.documentElement.dataset.theme ?? 'auto') + 1) % order.length];
  if (next === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem('logforge-theme', next);
  } catch {
    // Without storage the theme lasts until the page is left.
  }
  showTheme();
  redrawCharts();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redrawCharts);
document.addEventListener('visibilitychange', redrawCharts);

parts.live = createLive();
parts.formats = createFormats();
parts.refusals = createRefusals();
parts.sources = createSources();
parts.storage = createStorage();
parts.records = createRecords();
parts.hours = createHours({
  onView(view) {
    parts.storage.show(view.stream.name);
    parts.records.show(view);
  },
});
showTheme();
showCommands();
void start();
