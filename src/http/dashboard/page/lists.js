// Recent refusals, and the effective configuration.

import { plainText, textNodes } from './client-text.js';
import { byId, make } from './dom.js';
import { bytes, clock, count, exactDuration } from './format.js';

const MAX_REFUSALS = 100;
/** Sections that only version 2 uses. */
const QUEUE_SECTIONS = ['kafka', 'queue', 'consumer'];

export function createRefusals() {
  const body = byId('refusals');
  /** Newest first, as on the page. */
  let shown = [];

  function row({ time, status, reason, field, records, requestId }) {
    const at = new Date(time);
    return make(
      'tr',
      {},
      make('td', {}, make('time', { dateTime: at.toISOString() }, clock(time))),
      make('td', { class: `answer c${Math.floor(status / 100)}` }, String(status)),
      make('td', { class: 'reason' }, ...textNodes(reason)),
      make('td', {}, ...textNodes(field ?? '')),
      make('td', { class: 'num' }, records === undefined ? '' : count(records)),
      make('td', { class: 'id', title: plainText(requestId) }, ...textNodes(requestId)),
    );
  }

  function show(refusals) {
    shown = refusals.slice(0, MAX_REFUSALS);
    body.replaceChildren(...shown.map(row));
    byId('no-refusals').hidden = body.rows.length > 0;
    byId('refusals-table').hidden = body.rows.length === 0;
  }

  return {
    reset: show,
    add: (refusal) => show([refusal, ...shown]),
    /** Adds the refusals that are not shown yet, sorted by time. */
    merge(refusals) {
      const known = new Set(shown.map((refusal) => JSON.stringify(refusal)));
      const missed = refusals.filter((refusal) => !known.has(JSON.stringify(refusal)));
      if (missed.length > 0) show([...shown, ...missed].sort((a, b) => b.time - a.time));
    },
  };
}

/** Writes a value. The name of its key says whether it is a size or a time. */
function describe(name, value) {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(', ');
  if (value === '' || value === null) return '–';
  if (typeof value === 'object')
    return Object.entries(value)
      .map(([key, each]) => `${key} ${each}`)
      .join(', ');
  if (typeof value !== 'number') return String(value);
  if (/bytes$/i.test(name)) return bytes(value).join(' ').replace('.0 ', ' ');
  if (/(timeout|interval|window|backoff|cooldown)$/i.test(name)) return exactDuration(value);
  return count(value);
}

/** Shows the settings, with a card for each section and for each section inside it. */
export function showSettings(settings, pipeline) {
  const cards = [];
  const addCard = (title, section) => {
    const entries = Object.entries(section).filter(([, value]) => !isSection(value));
    const pairs = entries.flatMap(([name, value]) => [
      make('dt', {}, ...textNodes(name)),
      make('dd', {}, ...textNodes(describe(name, value))),
    ]);
    if (pairs.length > 0) cards.push(make('div', { class: 'card' }, make('h3', {}, title), make('dl', {}, ...pairs)));
    for (const [name, value] of Object.entries(section)) if (isSection(value)) addCard(`${title}.${name}`, value);
  };
  for (const [name, value] of Object.entries(settings)) {
    if (isSection(value) && (pipeline === 2 || !QUEUE_SECTIONS.includes(name))) addCard(name, value);
  }
  byId('settings').replaceChildren(...cards);
}

function isSection(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !('burst' in value);
}
