// Bytes on disk: the days of the chosen stream as bars, and all streams as a table.

import { getJson } from './api.js';
import { createDayBars } from './charts.js';
import { byId, make, setText } from './dom.js';
import { bytes, bytesTick, clock, count, dayName, plural } from './format.js';
import { drawStack, swatch } from './stack.js';

const DAY_SECONDS = 86_400;
/** Between two questions while the service walks for the first time. */
const FIRST_WALK_MS = 1_000;
/** Bars, at least and at most. */
const [MIN_DAYS, MAX_DAYS] = [14, 92];
const FORMS = [
  { key: 'plain', name: 'plain', tone: 'part-1' },
  { key: 'zstd', name: 'compressed', tone: 'part-2' },
];
const OTHER = [
  ['summaries', 'Summaries'],
  ['dead_letters', 'Dead letters'],
  ['keys', 'Idempotency keys'],
  ['journal', 'Commit journal'],
  ['removed_streams', 'Removed streams'],
];

const size = (value) => bytes(value).join(' ');
const secondOf = (day) => Date.parse(`${day}T00:00:00Z`) / 1000;
const cell = (text) => make('td', { class: 'num' }, text);

export function createStorage() {
  const element = byId('disk-chart');
  /** Of each bar: its day in seconds, and the bytes of its forms, as parts of a stack. */
  let shown = { seconds: [], parts: [] };
  const chart = createDayBars(element, {
    scale: bytesTick,
    divided: () => ({ draw: drawStack(shown.parts, DAY_SECONDS), tip: tipOf }),
  });
  let stream;
  let asked = new AbortController();
  let again;

  function tipOf(second, index, total) {
    const rows = shown.parts
      .filter(({ records }) => records[index] > 0)
      .reverse()
      .map(({ name, tone, records }) =>
        make('div', {}, swatch(tone), make('bdi', {}, name), make('b', {}, size(records[index]))),
      );
    return make('div', { class: 'tip-rows' }, `${dayName(second)}\n${size(total)}`, ...rows);
  }

  /** Whole days from the newest one back; a day without an hour has no bar. */
  function layOut(days) {
    const newest =
      days.length === 0 ? Math.floor(Date.now() / 1000 / DAY_SECONDS) * DAY_SECONDS : secondOf(days[0].day);
    const near = days.filter(({ day }) => newest - secondOf(day) < MAX_DAYS * DAY_SECONDS);
    const oldest = near.length === 0 ? newest : secondOf(near.at(-1).day);
    const length = Math.max(MIN_DAYS, (newest - oldest) / DAY_SECONDS + 1);
    const seconds = Array.from({ length }, (_, i) => newest - (length - 1 - i) * DAY_SECONDS);
    const byDay = new Map(near.map((day) => [secondOf(day.day), day]));
    const parts = FORMS.map((form) => ({ ...form, records: seconds.map((each) => byDay.get(each)?.[form.key] ?? 0) }));
    return { seconds, parts, left: days.length - near.length };
  }

  function draw({ days, streams, walkedAt }) {
    const { seconds, parts, left } = layOut(days);
    shown = { seconds, parts: parts.filter(({ records }) => records.some((each) => each > 0)) };
    const totals = seconds.map((_, i) => parts.reduce((sum, { records }) => sum + records[i], 0));
    chart.set([seconds, totals]);
    const own = streams.find(({ name }) => name === stream) ?? { plain: 0, zstd: 0, days: 0 };
    const forms = FORMS.filter(({ key }) => own[key] > 0).map(({ key, name }) => `${name} ${size(own[key])}`);
    const text = `${plural(own.days, 'day')}${forms.length === 0 ? '' : `: ${forms.join(', ')}`}`;
    element.setAttribute('aria-label', `Bytes on disk by day of the stream ${stream}: ${text}`);
    byId('disk-legend').replaceChildren(...shown.parts.map(({ name, tone }) => make('li', {}, swatch(tone), name)));
    const older = left === 0 ? '' : `. ${plural(left, 'older day')} without a bar: see the table`;
    setText(byId('disk-days'), `${stream}: ${text}${older}`);
    const time = walkedAt === null ? 'Still reading the folders' : `As of ${clock(Date.parse(walkedAt))} UTC`;
    setText(byId('disk-time'), time);
  }

  function fillDays(days) {
    const head = ['Day (UTC)', 'Plain', 'Compressed'];
    const none = make('tr', {}, make('td', { class: 'none', colspan: String(head.length) }, 'Nothing is stored.'));
    const rows = days.map(({ day, plain, zstd }) =>
      make('tr', {}, make('th', { scope: 'row' }, dayName(secondOf(day))), cell(size(plain)), cell(size(zstd))),
    );
    byId('disk-rows').replaceChildren(
      make(
        'thead',
        {},
        make('tr', {}, ...head.map((text, i) => make('th', { scope: 'col', class: i > 0 ? 'num' : '' }, text))),
      ),
      make('tbody', {}, ...(rows.length === 0 ? [none] : rows)),
    );
  }

  function fillStreams({ streams, other }) {
    const rows = streams.map(({ name, days, plain, zstd }) =>
      make(
        'tr',
        { 'aria-current': name === stream ? 'true' : undefined },
        make('th', { scope: 'row', title: name }, name),
        cell(count(days)),
        cell(size(plain)),
        cell(size(zstd)),
      ),
    );
    const others = OTHER.filter(([key]) => other[key] > 0 || key !== 'removed_streams').map(([key, name]) =>
      make('tr', { class: 'beside' }, make('th', { scope: 'row' }, name), cell(''), cell(size(other[key])), cell('')),
    );
    byId('disk-streams').replaceChildren(...rows, ...others);
  }

  async function load() {
    asked.abort();
    asked = new AbortController();
    clearTimeout(again);
    const { signal } = asked;
    try {
      const use = await getJson(`api/disk?${new URLSearchParams({ stream })}`, signal);
      draw(use);
      fillDays(use.days);
      fillStreams(use);
      setText(byId('disk-error'), '');
      // The service has just started.
      if (use.walkedAt === null) again = setTimeout(load, FIRST_WALK_MS);
    } catch (error) {
      if (!signal.aborted) setText(byId('disk-error'), `Cannot show this: ${error.message}.`);
    }
  }

  return {
    /** Shows the stream with this name. */
    show(name) {
      if (name === stream) return;
      stream = name;
      void load();
    },
    /** Asks again. */
    refresh() {
      if (stream !== undefined) void load();
    },
  };
}
