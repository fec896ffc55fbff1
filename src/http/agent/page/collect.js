// The figures of a collector: asks for /stats again and again, and shows what has changed.

import { textNodes } from './client-text.js';
import { byId, make, setText } from './dom.js';
import { bytes, count, duration, percent, short } from './format.js';
import { createSources } from './sources.js';

const POLL_MS = 1000;
const TIMEOUT_MS = 5000;
/** Characters of a line that are shown. */
const MAX_TEXT = 400;
/** The order of severity, the worst first. */
const LEVELS = ['EMERG', 'ALERT', 'CRIT', 'ERROR', 'WARN', 'NOTICE', 'INFO', 'DEBUG', 'TRACE'];

const tiles = createTiles(['Records', 'A second', 'Unreadable lines', 'Filtered out', 'Files', 'Behind']);
const levels = createShares('level');
const tags = createShares('tag');
const sources = createSources();
const lists = { errors: createList('errors'), lines: createList('lines') };

/** Elements of figures that are named once; their values change. */
function createTiles(names) {
  const values = names.map(() => [make('span'), make('span', { class: 'unit' })]);
  const boxes = names.map((name, i) => make('div', {}, make('dt', {}, name), make('dd', {}, ...values[i])));
  byId('tiles').append(...boxes);
  return (figures) =>
    figures.forEach(([value, unit = '', tone = ''], i) => {
      setText(values[i][0], value);
      setText(values[i][1], unit);
      boxes[i].dataset.tone = tone;
    });
}

/** Rows with bars in the table `levels` or `tags`. */
function createShares(name) {
  const rows = new Map();
  return (counts, order) => {
    const names = Object.keys(counts).sort(order);
    const all = names.reduce((sum, each) => sum + counts[each], 0);
    byId(`no-${name}s`).hidden = names.length > 0;
    for (const each of names) if (!rows.has(each)) rows.set(each, shareRow(each));
    const shown = names.map((each) => rows.get(each));
    shown.forEach(({ bar, cells }, i) => {
      const value = counts[names[i]];
      setText(cells[0], count(value));
      bar.style.width = `${Math.max((value / all) * 100, 0.5)}%`;
      setText(cells[2], percent(value, all));
    });
    replaceRows(
      byId(`${name}s`),
      shown.map(({ row }) => row),
    );
  };
}

function shareRow(name) {
  const bar = make('i');
  const cells = [
    make('td', { class: 'num' }),
    make('td', { class: 'share' }, make('span', { class: 'meter o-stored' }, bar)),
    make('td', { class: 'num pct' }),
  ];
  return { bar, cells, row: make('tr', {}, make('th', { scope: 'row' }, ...textNodes(name)), ...cells) };
}

function replaceRows(body, rows) {
  const isSame = body.children.length === rows.length && rows.every((row, i) => body.children[i] === row);
  if (!isSame) body.replaceChildren(...rows);
}

/** A list is drawn again only when it has changed: somebody may be selecting its text. */
function createList(name) {
  let shown = '';
  return (items, draw) => {
    byId(`no-${name}`).hidden = items.length > 0;
    const text = JSON.stringify(items);
    if (text === shown) return;
    shown = text;
    byId(name).replaceChildren(...items.map(draw));
  };
}

function show(stats) {
  const { total, parsing_errors, filtered, refused, files, lag_bytes, uptime_seconds, samples } = stats;
  setText(byId('about'), stats.about);
  setText(byId('since'), `since ${duration(uptime_seconds)}`);
  tiles([
    short(total),
    short(stats.logs_per_sec),
    [...short(parsing_errors + refused), parsing_errors + refused > 0 ? 'bad' : ''],
    short(filtered),
    short(files),
    bytes(lag_bytes),
  ]);
  levels(stats.levels, (a, b) => LEVELS.indexOf(a) - LEVELS.indexOf(b));
  tags(stats.tags, (a, b) => stats.tags[b] - stats.tags[a]);
  sources.show(stats.sources);
  lists.errors(stats.last_errors, errorRow);
  // A stored line begins with its timestamp.
  lists.lines([...samples.json, ...samples.raw].sort().reverse(), lineRow);
}

function errorRow({ file, number, reason }) {
  return make(
    'tr',
    {},
    make('td', { class: 'source' }, ...textNodes(file)),
    make('td', { class: 'num' }, count(number)),
    make('td', { class: 'reason' }, ...textNodes(reason)),
  );
}

function lineRow(line) {
  const text = line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}…` : line;
  return make('li', {}, make('code', {}, make('bdi', {}, ...textNodes(text))));
}

function showState(state, text) {
  byId('status').dataset.state = state;
  setText(byId('status-text'), text);
}

async function poll() {
  try {
    const response = await fetch('stats', { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`answered ${response.status}`);
    show(await response.json());
    showState('live', 'Live');
  } catch {
    showState('lost', 'The collector does not answer');
  }
  setTimeout(poll, POLL_MS);
}

void poll();
