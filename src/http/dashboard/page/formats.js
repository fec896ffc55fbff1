// What records came as: counts of each format and its last lines; and the inputs beside HTTP.

import { textNodes } from './client-text.js';
import { byId, make, setText } from './dom.js';
import { bytes, clock, count, percent } from './format.js';

const NAMES = {
  json: 'JSON',
  proto: 'Protobuf',
  avro: 'Avro',
  raw: 'Raw text',
  syslog: 'Syslog',
  journald: 'Journald',
};
/** Characters of a line that are shown. */
const MAX_TEXT = 400;

export function createFormats() {
  const rows = Object.entries(NAMES).map(([kind, name]) => {
    const bar = make('i');
    const cells = [
      make('td', { class: 'num' }),
      make('td', { class: 'num' }),
      make('td', { class: 'share' }, make('span', { class: 'meter o-stored' }, bar)),
      make('td', { class: 'num pct' }),
    ];
    return { kind, bar, cells, row: make('tr', {}, make('th', { scope: 'row' }, name), ...cells) };
  });
  byId('formats').append(...rows.map(({ row }) => row));

  function showCounts(kinds) {
    const all = kinds.reduce((sum, { total }) => sum + total, 0);
    for (const { kind, bar, cells } of rows) {
      const { rate = 0, total = 0 } = kinds.find((one) => one.kind === kind) ?? {};
      setText(cells[0], count(rate));
      setText(cells[1], count(total));
      bar.style.width = all === 0 ? '0' : `${Math.max((total / all) * 100, total > 0 ? 0.5 : 0)}%`;
      setText(cells[3], percent(total, all));
    }
  }

  const groups = Object.entries(NAMES).map(([kind, name]) => {
    const list = make('ol', { class: 'lines' });
    const group = make('div', { hidden: true }, make('h4', {}, name), list);
    return { kind, list, group, shown: '' };
  });
  byId('samples').append(...groups.map(({ group }) => group));

  /** Lines that have not changed are not touched: somebody may be selecting them. */
  function showSamples(samples) {
    for (const each of groups) {
      const lines = samples[each.kind] ?? [];
      const text = JSON.stringify(lines);
      if (text === each.shown) continue;
      each.shown = text;
      each.group.hidden = lines.length === 0;
      each.list.replaceChildren(...lines.map(sampleRow));
    }
    byId('no-samples').hidden = groups.some(({ group }) => !group.hidden);
  }

  let inputRows = [];

  function showInputs(inputs) {
    byId('inputs-box').hidden = inputs.length === 0;
    if (inputRows.map(({ name }) => name).join() !== inputs.map(({ name }) => name).join()) {
      inputRows = inputs.map(({ name }) => {
        const cells = Array.from({ length: 5 }, () => make('td', { class: 'num' }));
        return { name, cells, row: make('tr', {}, make('th', { scope: 'row', title: name }, name), ...cells) };
      });
      byId('inputs').replaceChildren(...inputRows.map(({ row }) => row));
    }
    inputs.forEach(({ rates, totals, connections, inFlightBytes, maxInFlightBytes }, i) => {
      const [speed, sum, open, flight, dropped] = inputRows[i].cells;
      setText(speed, count(rates.records));
      setText(sum, count(totals.records));
      setText(open, count(connections));
      setText(flight, percent(inFlightBytes, maxInFlightBytes));
      flight.title = `of ${bytes(maxInFlightBytes).join(' ')}`;
      setText(dropped, count(totals.dropped));
      dropped.dataset.tone = totals.dropped > 0 ? 'bad' : '';
    });
  }

  return {
    add({ kinds, inputs }) {
      showCounts(kinds);
      showInputs(inputs);
    },
    samples: showSamples,
  };
}

function sampleRow({ time, line }) {
  const at = make('time', { dateTime: new Date(time).toISOString() }, clock(time));
  const text = line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}…` : line;
  return make('li', {}, at, make('code', {}, make('bdi', {}, ...textNodes(text))));
}
