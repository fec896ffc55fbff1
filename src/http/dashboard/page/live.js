// The present: the tiles, the two charts, the table of outcomes and the table of streams.

import { createLines } from './charts.js';
import { byId, make, setText } from './dom.js';
import { bytes, count, duration, percent, plural, seconds, secondsTick, short, tick } from './format.js';

/** Rows of the two histories that the service keeps: 5 minutes by the second, an hour by ten seconds. */
const SPANS = [300, 360];
const COLUMNS = ['time', 'accepted', 'refused', 'batches', 'bytes', 'p50', 'p99'];

const OUTCOMES = [
  ['stored', 'Stored', 'o-stored'],
  ['waiting', 'Waiting', 'o-waiting'],
  ['rejected', 'Rejected', 'o-rejected'],
  ['duplicate', 'Duplicate', 'o-duplicate'],
  ['deadLettered', 'Dead letters', 'o-dead'],
];

const unit = ([value, name]) => [value, name];
const quantile = (quantiles, name) => (quantiles === null ? ['–', ''] : seconds(quantiles[name]));
const under = (text, quantiles, name) =>
  quantiles === null ? `${text} –` : `${text} ${seconds(quantiles[name]).join(' ')}`;

/** Each: its name, its figure with a unit, the line below, and its tone. */
const TILES = [
  ['Records a second', ({ rates }) => short(rates.accepted), ({ totals }) => `${count(totals.accepted)} since start`],
  [
    'Batches a second',
    ({ rates }) => short(rates.batches),
    ({ rates }) => `${count(rates.refusedBatches)} refused, ${count(rates.failedBatches)} failed`,
    ({ rates }) => (rates.failedBatches > 0 ? 'bad' : ''),
  ],
  [
    'Received a second',
    ({ rates }) => bytes(rates.bytes),
    ({ totals }) => `${bytes(totals.bytes).join(' ')} since start`,
  ],
  ['Answer, p99', ({ latency }) => quantile(latency, 'p99'), ({ latency }) => under('p50', latency, 'p50')],
  ['Sync, p99', ({ sync }) => quantile(sync, 'p99'), ({ sync }) => under('p50', sync, 'p50')],
  [
    'In flight',
    ({ inFlightRecords }) => unit(short(inFlightRecords)),
    ({ inFlightBytes, openFiles }) => `${bytes(inFlightBytes).join(' ')}, ${plural(openFiles, 'open file')}`,
  ],
];
const QUEUE_TILES = [
  [
    'Consumer lag',
    ({ queue }) => unit(short(queue.lagMessages)),
    ({ queue }) => (queue.lagMessages === 0 ? 'no message waits' : `oldest ${seconds(queue.lagSeconds).join(' ')}`),
    ({ queue }) => (queue.lagSeconds > 60 ? 'warn' : ''),
  ],
  [
    'Breaker',
    ({ queue }) => [queue.breaker === '' ? '–' : queue.breaker, ''],
    ({ queue }) => (queue.up ? 'broker available' : 'broker unavailable'),
    ({ queue }) => (queue.up && queue.breaker !== 'open' ? '' : 'bad'),
  ],
  [
    'Spool',
    ({ queue }) => bytes(queue.spoolBytes),
    ({ queue }) =>
      queue.spoolBatches === 0
        ? 'empty'
        : `${plural(queue.spoolBatches, 'batch', 'batches')}, oldest ${seconds(queue.spoolAgeSeconds).join(' ')}`,
    ({ queue }) => (queue.spoolBytes > 0 ? 'warn' : ''),
  ],
];

export function createLive() {
  const rateChart = createLines(byId('rate-chart'), {
    series: [{ name: 'accepted', tone: 'accent', fill: true }],
    format: (value) => count(value),
    scale: tick,
    whole: true,
  });
  const timeChart = createLines(byId('time-chart'), {
    series: [
      { name: 'p50', tone: 'accent' },
      { name: 'p99', tone: 'warn' },
    ],
    format: (value) => seconds(value).join(' '),
    scale: secondsTick,
  });
  let pasts = [];
  let span = 0;
  let pending = [];
  let tiles = [];

  for (const button of document.querySelectorAll('[data-span]')) {
    button.addEventListener('click', () => {
      span = Number(button.dataset.span);
      for (const other of document.querySelectorAll('[data-span]'))
        other.setAttribute('aria-pressed', String(other === button));
      draw();
    });
  }

  function draw() {
    const past = pasts[span];
    if (past === undefined) return;
    // Always the whole span, so that the chart keeps its scale while it fills.
    const end = past.time.at(-1) ?? Date.now() / 1000;
    const time = [end - SPANS[span] * past.stepSeconds, ...past.time];
    rateChart.set([time, [null, ...past.accepted]]);
    timeChart.set([time, [null, ...past.p50], [null, ...past.p99]]);
  }

  function append(past, rows, row) {
    for (const column of COLUMNS) {
      past[column].push(row[column]);
      if (past[column].length > rows) past[column].shift();
    }
  }

  function remember(stats) {
    const { rates, latency } = stats;
    const row = {
      time: stats.time / 1000,
      accepted: rates.accepted,
      refused: rates.refusedBatches + rates.failedBatches,
      batches: rates.batches,
      bytes: rates.bytes,
      p50: latency?.p50 ?? null,
      p99: latency?.p99 ?? null,
    };
    const [fine, coarse] = pasts;
    if (fine === undefined || row.time - (fine.time.at(-1) ?? 0) < 0.5) return;
    append(fine, SPANS[0], row);
    pending.push(row);
    if (pending.length < coarse.stepSeconds) return;
    const mean = (column) => {
      const known = pending.map((each) => each[column]).filter((value) => value !== null);
      return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
    };
    const worst = pending.map(({ p99 }) => p99).filter((value) => value !== null);
    const summary = Object.fromEntries(COLUMNS.map((column) => [column, mean(column)]));
    append(coarse, SPANS[1], { ...summary, time: row.time, p99: worst.length === 0 ? null : Math.max(...worst) });
    pending = [];
  }

  function makeTiles(all) {
    tiles = all.map(([title, figure, below, tone]) => {
      const value = document.createTextNode('');
      const name = make('span', { class: 'unit' });
      const note = make('dd', { class: 'under' });
      const box = make('div', {}, make('dt', {}, title), make('dd', {}, value, name), note);
      return { box, value, name, note, figure, below, tone };
    });
    byId('tiles').dataset.count = String(all.length);
    byId('tiles').replaceChildren(...tiles.map(({ box }) => box));
  }

  function show(stats) {
    const all = stats.queue === null ? TILES : [...TILES, ...QUEUE_TILES];
    if (tiles.length !== all.length) makeTiles(all);
    for (const { box, value, name, note, figure, below, tone } of tiles) {
      const [number, unitName] = figure(stats);
      if (value.data !== number) value.data = number;
      setText(name, unitName);
      setText(note, below(stats));
      box.dataset.tone = tone?.(stats) ?? '';
    }
    setText(byId('since'), `Up ${duration(stats.uptimeSeconds)}; times of the last 10 s`);
    showOutcomes(stats);
    showStreams(stats);
  }

  const rows = OUTCOMES.map(([key, name, tone]) => {
    const bar = make('i');
    const cells = [
      make('td', { class: 'num' }),
      make('td', { class: 'num' }),
      make('td', { class: 'share' }, make('span', { class: `meter ${tone}` }, bar)),
      make('td', { class: 'num pct' }),
    ];
    return { key, name, bar, cells, row: make('tr', {}, make('th', { scope: 'row' }, name), ...cells) };
  });
  byId('outcomes').append(...rows.map(({ row }) => row));

  /** Version 2 stores accepted records a little later, perhaps in another process. */
  const waiting = ({ accepted, stored }) => Math.max(0, accepted - stored);

  function showOutcomes({ rates: speeds, totals: sums, queue }) {
    const rates = { ...speeds, waiting: queue === null ? 0 : waiting(speeds) };
    const totals = { ...sums, waiting: queue === null ? 0 : waiting(sums) };
    const all = OUTCOMES.reduce((sum, [key]) => sum + totals[key], 0);
    for (const { key, bar, cells, row } of rows) {
      row.hidden = key === 'waiting' && queue === null;
      setText(cells[0], count(rates[key]));
      setText(cells[1], count(totals[key]));
      const share = percent(totals[key], all);
      bar.style.width = all === 0 ? '0' : `${Math.max((totals[key] / all) * 100, totals[key] > 0 ? 0.5 : 0)}%`;
      setText(cells[3], share);
    }
  }

  let streamRows = [];

  function showStreams({ streams }) {
    if (streamRows.map(({ name }) => name).join() !== streams.map(({ name }) => name).join()) {
      streamRows = streams.map(({ name }) => {
        const cells = [0, 1, 2].map(() => make('td', { class: 'num' }));
        return { name, cells, row: make('tr', {}, make('th', { scope: 'row', title: name }, name), ...cells) };
      });
      byId('streams').replaceChildren(...streamRows.map(({ row }) => row));
    }
    streams.forEach(({ rates, totals }, i) => {
      const [speed, sum, size] = streamRows[i].cells;
      setText(speed, count(rates.stored));
      setText(sum, count(totals.stored));
      setText(size, bytes(totals.bytes).join(' '));
    });
  }

  return {
    /** Shows the history that the service keeps. */
    reset({ stats, history }) {
      pasts = history.map((past) => ({ ...past }));
      pending = [];
      show(stats);
      draw();
    },
    add(stats) {
      show(stats);
      remember(stats);
      if (!document.hidden) draw();
    },
  };
}
