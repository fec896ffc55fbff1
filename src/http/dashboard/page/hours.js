// The hours: a chart of their totals, and the paths and user agents of one hour or of the whole range.

import { ApiError, getCsv, getJson } from './api.js';
import { createHourBars } from './charts.js';
import { plainText, textNodes } from './client-text.js';
import { byId, make, setText } from './dom.js';
import { count, hourName, hourOf, hourToIso, parseHour, percent, plural, tick } from './format.js';

const MAX_HOURS = 744;
const DAY = 24;
const FIRST_ROWS = 15;

export function createHours() {
  const [from, to, search] = [byId('from'), byId('to'), byId('search')];
  const bars = byId('hour-chart');
  const chart = createHourBars(bars, {
    chosen: () => chosen,
    name: hourName,
    scale: tick,
    onChoose: (index) => choose(chosen === range.from + index ? undefined : range.from + index),
  });
  let range = lastHours(DAY);
  let totals = [];
  /** One hour of the range, or undefined for the whole range. */
  let chosen;
  let asked = new AbortController();
  let latest;
  let isAutomatic = true;
  let breakdown;
  const expanded = { paths: false, agents: false };

  function lastHours(hours) {
    const end = hourOf(Date.now()) + 1;
    return { from: end - hours, to: end };
  }

  function problemOf({ from: first, to: end }) {
    if (first === undefined || end === undefined) return 'Give both ends of the range as a date and a full hour.';
    if (end <= first) return 'The range ends before it begins.';
    if (end - first > MAX_HOURS) return 'A range has at most 31 days.';
    return '';
  }

  function showRange() {
    from.value = `${hourToIso(range.from)}:00`;
    to.value = `${hourToIso(range.to)}:00`;
    for (const button of document.querySelectorAll('[data-hours]')) {
      const { from: first, to: end } = lastHours(Number(button.dataset.hours));
      button.setAttribute('aria-pressed', String(first === range.from && end === range.to));
    }
  }

  function refuse(text) {
    byId('range-error').textContent = text;
    for (const input of [from, to]) {
      if (text === '') input.removeAttribute('aria-invalid');
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
    const hash = automatic ? '' : `#from=${hourToIso(range.from)}&to=${hourToIso(range.to)}`;
    history.replaceState(null, '', `${location.pathname}${hash}`);
    await load();
  }

  async function load() {
    asked.abort();
    asked = new AbortController();
    const { signal } = asked;
    byId('audience').classList.add('dim');
    try {
      const answer = await getJson(`api/hours?from=${hourToIso(range.from)}&to=${hourToIso(range.to)}`, signal);
      totals = answer.totals;
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
    describeBars();
  }

  function describeBars() {
    const all = totals.reduce((sum, total) => sum + (total ?? 0), 0);
    bars.setAttribute('aria-valuemax', String(totals.length - 1));
    bars.setAttribute('aria-valuenow', String(chosen === undefined ? 0 : chosen - range.from));
    const total = chosen === undefined ? all : totals[chosen - range.from];
    const what = chosen === undefined ? 'The whole range' : `${hourName(chosen)} UTC`;
    bars.setAttribute('aria-valuetext', `${what}: ${total === null ? 'no summary' : plural(total ?? 0, 'record')}`);
  }

  function choose(hour) {
    chosen = hour;
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
    const query = new URLSearchParams({ from: hourToIso(first), to: hourToIso(end), search: search.value.trim() });
    breakdown = await getJson(`api/breakdown?${query}`, signal);
    showBreakdown();
  }

  function showBreakdown() {
    const { total, dimensions, audience } = breakdown;
    const [paths, agents] = ['path', 'userAgent'].map((wanted) => dimensions.find(({ name }) => name === wanted));
    const bots = new Set(audience.botUserAgents);
    const end = hourName(range.to);
    const where = chosen === undefined ? `${hourName(range.from)} to ${end}` : `${hourName(chosen)}`;
    setText(byId('chosen'), `${where} · ${plural(total, 'record')}`);
    showAudience(audience);
    const found = search.value.trim() === '' ? '' : ' found';
    showTable('paths', paths.largest, paths.distinct, found, total);
    const rows = agents.largest.map(([name, requests]) => [name, requests, bots.has(name)]);
    showTable('agents', rows, agents.distinct, found, total);
  }

  function showTable(id, rows, different, found, total) {
    const shown = expanded[id] ? rows : rows.slice(0, FIRST_ROWS);
    const most = rows[0]?.[1] ?? 1;
    const isAll = shown.length === different;
    setText(
      byId(`${id}-count`),
      isAll ? `${count(different)}${found}` : `${count(shown.length)} largest of ${count(different)}${found}`,
    );
    byId(`more-${id}`).hidden = shown.length === rows.length;
    const none = make(
      'tr',
      {},
      make('td', { class: 'none', colspan: '3' }, found === '' ? 'No records in this time.' : 'Nothing found.'),
    );
    byId(id).replaceChildren(...(rows.length === 0 ? [none] : shown.map((row) => tableRow(row, most, total))));
  }

  function tableRow([name, requests, isBot], most, total) {
    const bar = make('i');
    bar.style.width = `${(requests / most) * 100}%`;
    const label = make('span', {}, ...(isBot ? [make('span', { class: 'bot' }, 'bot')] : []), ...textNodes(name));
    return make(
      'tr',
      {},
      make('th', { scope: 'row', title: plainText(name) }, bar, label),
      make('td', {}, count(requests)),
      make('td', { class: 'pct' }, percent(requests, total)),
    );
  }

  function showAudience(audience) {
    const parts = [
      ['people', 'People'],
      ['bots', 'Bots'],
      ['unknown', 'No user agent'],
    ].filter(([key]) => key !== 'unknown' || audience.unknown > 0);
    const all = audience.people + audience.bots + audience.unknown;
    const stripes = parts.map(([key]) => {
      const stripe = make('i', { class: `a-${key}` });
      stripe.style.flexGrow = String(all === 0 ? 0 : audience[key] / all);
      return stripe;
    });
    byId('split').replaceChildren(...stripes);
    byId('split').setAttribute(
      'aria-label',
      parts.map(([key, name]) => `${name} ${percent(audience[key], all)}`).join(', '),
    );
    byId('split-legend').replaceChildren(
      ...parts.map(([key, name]) =>
        make(
          'div',
          {},
          make('dt', {}, make('span', { class: `key-dot a-${key}` }), name),
          make('dd', { title: count(audience[key]) }, percent(audience[key], all)),
        ),
      ),
    );
  }

  async function download() {
    const { from: first, to: end } = chosenRange();
    const button = byId('csv');
    button.disabled = true;
    try {
      const blob = await getCsv(`analytics?from=${hourToIso(first)}&to=${hourToIso(end)}`);
      const link = make('a', {
        href: URL.createObjectURL(blob),
        download: `logforge-${hourToIso(first)}-${hourToIso(end)}.csv`,
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
  for (const id of ['paths', 'agents']) {
    byId(`more-${id}`).addEventListener('click', () => {
      expanded[id] = true;
      showBreakdown();
    });
  }
  window.addEventListener('hashchange', () => readAddress());

  /** True when the address has a range. */
  function readAddress() {
    const query = new URLSearchParams(location.hash.slice(1));
    if (!query.has('from') && !query.has('to')) return false;
    const wanted = { from: parseHour(query.get('from') ?? ''), to: parseHour(query.get('to') ?? '') };
    const text = problemOf(wanted);
    if (text === '') void setRange(wanted);
    else
      void setRange(lastHours(DAY), { automatic: true }).then(() => refuse(`The address has no valid range: ${text}`));
    return true;
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
    if (next.from === range.from && next.to === range.to && totals.length > 0) void load();
    else void setRange(next, { note, automatic: true });
  }

  return {
    /** `latestHour`: as the service names it. */
    open(latestHour) {
      latest = latestHour === null ? undefined : parseHour(latestHour);
      if (!readAddress()) follow();
    },
    /** Reads the summaries again. */
    refresh(latestHour) {
      latest = latestHour === null ? undefined : parseHour(latestHour);
      if (isAutomatic) follow();
      else void load();
    },
  };
}
