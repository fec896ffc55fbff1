// The largest values of each field of one hour or of the whole range, and people and bots.

import { plainText, textNodes } from './client-text.js';
import { byId, make, setText } from './dom.js';
import { count, percent } from './format.js';

const FIRST_ROWS = 15;

/** Fields of the stream access: the id of the list, its title, and what a row is. */
const KNOWN = { path: ['paths', 'Paths', 'Path'], userAgent: ['agents', 'User agents', 'User agent'] };

export function createBreakdown() {
  const lists = byId('lists');
  /** For each field of the stream: its parts on the page. */
  let tables = [];
  let drawn = '';
  let last;

  /** `stream`: as GET /streams answers it. `isSearch`: only values that contain a text are listed. */
  function show(breakdown, { stream, isAccess, isSearch }) {
    last = { breakdown, stream, isAccess, isSearch };
    const { total, dimensions, audience } = breakdown;
    makeLists(dimensions, stream, isAccess);
    byId('audience').hidden = audience === undefined;
    if (audience !== undefined) showAudience(audience);
    const bots = new Set(audience?.botUserAgents);
    dimensions.forEach(({ name, largest, distinct }, i) => {
      const rows = isAccess && name === 'userAgent' ? largest.map((row) => [...row, bots.has(row[0])]) : largest;
      showTable(tables[i], { rows, distinct, total, found: isSearch ? ' found' : '' });
    });
  }

  /** Lists stay as they are while the fields stay, so that a refresh takes no focus away. */
  function makeLists(dimensions, stream, isAccess) {
    const next = JSON.stringify([stream.name, ...dimensions.map(({ name }) => name)]);
    if (drawn === next) return;
    drawn = next;
    tables = dimensions.map(({ name }, i) => {
      const own = [`list-${i + 1}`, plainText(name), plainText(name)];
      return makeTable(isAccess && Object.hasOwn(KNOWN, name) ? KNOWN[name] : own, isAccess ? 'Requests' : 'Records');
    });
    const none = make('p', { class: 'card sub' }, `The stream ${stream.name} is not counted by any field (countBy).`);
    lists.replaceChildren(...(tables.length === 0 ? [none] : tables.map(({ card }) => card)));
  }

  function makeTable([id, title, row], counted) {
    const found = make('span', { class: 'sub', id: `${id}-count` });
    const body = make('tbody', { id });
    const more = make('button', { type: 'button', class: 'more quiet', id: `more-${id}`, hidden: true }, 'Show more');
    const head = [row, counted, 'Share'].map((text) => make('th', { scope: 'col' }, text));
    const columns = make('colgroup', {}, make('col'), make('col', { class: 'c-num' }), make('col', { class: 'c-pct' }));
    const caption = make('caption', {}, make('bdi', {}, title), ' ', found);
    const table = make(
      'table',
      { class: 'bars' },
      caption,
      columns,
      make('thead', { class: 'hidden' }, make('tr', {}, ...head)),
      body,
    );
    const made = { card: make('div', { class: 'card scroll' }, table, more), body, found, more, isExpanded: false };
    more.addEventListener('click', () => {
      made.isExpanded = true;
      show(last.breakdown, last);
    });
    return made;
  }

  return {
    show,
    /** Until the next stream is there. */
    clear() {
      drawn = '';
      tables = [];
      lists.replaceChildren();
      byId('audience').hidden = true;
    },
  };
}

function showTable({ body, found: note, more, isExpanded }, { rows, distinct, total, found }) {
  const shown = isExpanded ? rows : rows.slice(0, FIRST_ROWS);
  const most = rows[0]?.[1] ?? 1;
  const isAll = shown.length === distinct;
  setText(note, isAll ? `${count(distinct)}${found}` : `${count(shown.length)} largest of ${count(distinct)}${found}`);
  more.hidden = shown.length === rows.length;
  const none = make(
    'tr',
    {},
    make('td', { class: 'none', colspan: '3' }, found === '' ? 'No records in this time.' : 'Nothing found.'),
  );
  body.replaceChildren(...(rows.length === 0 ? [none] : shown.map((row) => tableRow(row, most, total))));
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
