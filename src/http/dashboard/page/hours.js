// The hours of a stream: a chart of their records, and the largest values of one hour or of the whole range.

import { ApiError, getCsv, getJson } from './api.js';
import { createBreakdown } from './breakdown.js';
import { createHourBars } from './charts.js';
import { plainText, shorten } from './client-text.js';
import { byId, make, setText } from './dom.js';
import { hourName, hourToIso, parseHour, plural, tick } from './format.js';
import { createPicker, FIRST_STREAM } from './picker.js';
import { lastHours, problemOf } from './range.js';
import { createLegend, describeParts, drawStack, partsOf, stackTip } from './stack.js';

const DAY = 24;

/** `onView({stream, hours})`: told of the stream and of the hours that somebody chose, {from, to} or undefined, when they may have changed. */
export function createHours({ onView }) {
  const [from, to, search] = [byId('from'), byId('to'), byId('search')];
  const bars = byId('hour-chart');
  const chart = createHourBars(bars, {
    chosen: () => chosen,
    name: hourName,
    scale: tick,
    divided: () => parts && { draw: drawStack(parts), tip: stackTip(parts) },
    onChoose: (index) => choose(chosen === range.from + index ? undefined : range.from + index),
  });
  const picker = createPicker({ onStream: () => void changeStream(), onField: () => void changeField() });
  const [lists, legend] = [createBreakdown(), createLegend()];
  let range = lastHours(DAY);
  let totals = [];
  /** What the bars are divided into, or undefined where they show totals alone. */
  let parts;
  let isLoaded = false;
  /** One hour of the range, or undefined for the whole range. */
  let chosen;
  let asked = new AbortController();
  let latest;
  let isAutomatic = true;

  function showRange() {
    from.value = `${hourToIso(range.from)}:00`;
    to.value = `${hourToIso(range.to)}:00`;
    for (const button of document.querySelectorAll('[data-hours]')) {
      const { from: first, to: end } = lastHours(Number(button.dataset.hours));
      button.setAttribute('aria-pressed', String(first === range.from && end === range.to));
    }
  }

  /** `isRange`: the fields of the range are wrong. */
  function refuse(text, isRange = text !== '') {
    byId('range-error').textContent = text;
    for (const input of [from, to]) {
      if (!isRange) input.removeAttribute('aria-invalid');
      else input.setAttribute('aria-invalid', 'true');
    }
  }

  /** `note`: why this range. `automatic`: nobody chose it, so it follows the time. */
  async function setRange(next, { note = '', automatic = false } = {}) {
    const text = problemOf(next);
    refuse(text);
    if (text !== '') return;
    range = next;
    const isKept = automatic && chosen >= range.from && chosen < range.to;
    chosen = isKept ? chosen : undefined;
    setText(byId('range-note'), note);
    showRange();
    isAutomatic = automatic;
    writeAddress();
    tellView();
    await load();
  }

  /** The address has what somebody chose. */
  function writeAddress() {
    const times = isAutomatic ? {} : { from: hourToIso(range.from), to: hourToIso(range.to) };
    const hash = new URLSearchParams({ ...picker.address(), ...times }).toString();
    history.replaceState(null, '', `${location.pathname}${hash === '' ? '' : `#${hash}`}`);
  }

  const tellView = () =>
    onView({ stream: picker.stream, hours: isAutomatic && chosen === undefined ? undefined : chosenRange() });

  const ask = (path, query) => `${path}?${new URLSearchParams({ stream: picker.stream.name, ...query })}`;

  /** Shows the stream that was chosen, in the same range, or in its own latest hours. */
  async function changeStream() {
    asked.abort();
    asked = new AbortController();
    const { signal } = asked;
    isLoaded = false;
    chosen = undefined;
    search.value = '';
    tellView();
    clear();
    refuse('');
    try {
      const { latestHour } = await getJson(ask('api/overview'), signal);
      latest = latestHour === null ? undefined : parseHour(latestHour);
    } catch (error) {
      return showFailure(signal)(error);
    }
    if (isAutomatic) follow();
    else void setRange(range);
  }

  async function changeField() {
    writeAddress();
    await load();
  }

  /** Takes away the figures of another stream. */
  function clear() {
    const { stream } = picker;
    totals = new Array(range.to - range.from).fill(null);
    parts = undefined;
    drawBars();
    lists.clear();
    setText(byId('chosen'), '');
    byId('breakdown-error').textContent = '';
    byId('tools').hidden = stream.countBy.length === 0;
    search.placeholder = picker.isFirst()
      ? 'in paths and user agents'
      : `in ${stream.countBy.map(plainText).join(', ')}`;
  }

  async function load() {
    asked.abort();
    asked = new AbortController();
    const { signal } = asked;
    byId('audience').classList.add('dim');
    try {
      const { stream, field } = picker;
      const hours = { from: hourToIso(range.from), to: hourToIso(range.to) };
      const answer = await getJson(ask('api/hours', field === undefined ? hours : { ...hours, by: field }), signal);
      totals = answer.totals;
      parts = answer.by === undefined ? undefined : partsOf(answer.by, field === stream.levelField);
      isLoaded = true;
      drawBars();
      await loadBreakdown(signal);
      byId('breakdown-error').textContent = '';
    } catch (error) {
      if (signal.aborted) return;
      byId('breakdown-error').textContent = `Cannot show this: ${error.message}.`;
    } finally {
      if (!signal.aborted) byId('audience').classList.remove('dim');
    }
  }

  function drawBars() {
    chart.set([totals.map((_, i) => (range.from + i) * 3600), totals]);
    legend.show({ parts, totals, from: range.from });
    describeBars();
  }

  function describeBars() {
    const all = totals.reduce((sum, total) => sum + (total ?? 0), 0);
    bars.setAttribute('aria-valuemax', String(totals.length - 1));
    bars.setAttribute('aria-valuenow', String(chosen === undefined ? 0 : chosen - range.from));
    const total = chosen === undefined ? all : totals[chosen - range.from];
    const what = chosen === undefined ? 'The whole range' : `${hourName(chosen)} UTC`;
    const divided =
      parts === undefined ? '' : describeParts(parts, chosen === undefined ? undefined : chosen - range.from);
    const text = total === null ? 'no summary' : plural(total ?? 0, 'record');
    bars.setAttribute('aria-valuetext', `${what}: ${text}${divided === '' ? '' : `: ${divided}`}`);
  }

  function choose(hour) {
    chosen = hour;
    tellView();
    chart.draw();
    describeBars();
    asked.abort();
    asked = new AbortController();
    loadBreakdown(asked.signal).catch(showFailure(asked.signal));
  }

  const showFailure = (signal) => (error) => {
    if (!signal.aborted) byId('breakdown-error').textContent = `Cannot show this: ${error.message}.`;
  };

  function chosenRange() {
    return chosen === undefined ? range : { from: chosen, to: chosen + 1 };
  }

  async function loadBreakdown(signal) {
    const { from: first, to: end } = chosenRange();
    const text = search.value.trim();
    const query = { from: hourToIso(first), to: hourToIso(end), search: text };
    const breakdown = await getJson(ask('api/breakdown', query), signal);
    const where = chosen === undefined ? `${hourName(range.from)} to ${hourName(range.to)}` : `${hourName(chosen)}`;
    setText(byId('chosen'), `${where} · ${plural(breakdown.total, 'record')}`);
    lists.show(breakdown, { stream: picker.stream, isAccess: picker.isFirst(), isSearch: text !== '' });
  }

  async function download() {
    const { from: first, to: end } = chosenRange();
    const button = byId('csv');
    button.disabled = true;
    try {
      const blob = await getCsv(ask('analytics', { from: hourToIso(first), to: hourToIso(end) }));
      const link = make('a', {
        href: URL.createObjectURL(blob),
        download: `logforge-${picker.isFirst() ? '' : `${picker.stream.name}-`}${hourToIso(first)}-${hourToIso(end)}.csv`,
      });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    } catch (error) {
      byId('breakdown-error').textContent =
        `Cannot download: ${error instanceof ApiError ? error.message : 'the service does not answer'}.`;
    } finally {
      button.disabled = false;
    }
  }

  function move(key) {
    const last = range.to - 1;
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: DAY, PageDown: -DAY };
    if (key === 'Escape') return choose(undefined);
    if (key === 'Home') return choose(range.from);
    if (key === 'End') return choose(last);
    if (steps[key] === undefined) return false;
    const start = chosen ?? (steps[key] > 0 ? range.from - 1 : range.to);
    return choose(Math.min(Math.max(start + steps[key], range.from), last));
  }

  bars.addEventListener('keydown', (event) => {
    if (move(event.key) !== false) event.preventDefault();
  });
  byId('range').addEventListener('submit', (event) => {
    event.preventDefault();
    void setRange({ from: parseHour(from.value), to: parseHour(to.value) });
  });
  for (const button of document.querySelectorAll('[data-hours]')) {
    button.addEventListener('click', () => void setRange(lastHours(Number(button.dataset.hours))));
  }
  let typing;
  search.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      asked.abort();
      asked = new AbortController();
      loadBreakdown(asked.signal).catch(showFailure(asked.signal));
    }, 200);
  });
  byId('csv').addEventListener('click', download);
  window.addEventListener('hashchange', () => {
    // The link to the figures has an address too.
    const query = new URLSearchParams(location.hash.slice(1));
    if (['stream', 'by', 'from', 'to'].some((name) => query.has(name))) void readAddress();
  });

  /** Shows what the address asks for; what it does not say is chosen as at the first visit. */
  async function readAddress() {
    const query = new URLSearchParams(location.hash.slice(1));
    const name = query.get('stream') ?? FIRST_STREAM;
    picker.choose(picker.has(name) ? name : FIRST_STREAM, query.get('by'));
    const problems = picker.has(name) ? [] : [`The address names a stream that does not exist: ${shorten(name)}.`];
    let isRangeWrong = false;
    isAutomatic = true;
    if (query.has('from') || query.has('to')) {
      const wanted = { from: parseHour(query.get('from') ?? ''), to: parseHour(query.get('to') ?? '') };
      const text = problemOf(wanted);
      isRangeWrong = text !== '';
      isAutomatic = isRangeWrong;
      if (!isRangeWrong) range = wanted;
      else problems.push(`The address has no valid range: ${text}`);
    }
    await changeStream();
    if (problems.length > 0) refuse(problems.join(' '), isRangeWrong);
  }

  /** The last 24 hours, or when they have no records, the latest 24 hours that have some. */
  function automaticRange() {
    const day = lastHours(DAY);
    if (latest === undefined || latest >= day.from) return { next: day, note: '' };
    const note = 'The last 24 hours have no records. The page shows the latest hours with records.';
    return { next: { from: latest + 1 - DAY, to: latest + 1 }, note };
  }

  function follow() {
    const { next, note } = automaticRange();
    if (next.from === range.from && next.to === range.to && isLoaded) void load();
    else void setRange(next, { note, automatic: true });
  }

  return {
    /** `streams`: as GET /streams answers them. */
    async open(streams) {
      picker.fill(streams);
      await readAddress();
    },
    get stream() {
      return picker.stream.name;
    },
    /** Reads the summaries of the stream again. `latestHour`: as the service names it. */
    refresh(latestHour) {
      latest = latestHour === null ? undefined : parseHour(latestHour);
      if (isAutomatic) follow();
      else void load();
    },
  };
}
