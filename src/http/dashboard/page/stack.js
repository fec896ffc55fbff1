// Stacked bars: the records of each hour, divided by the values of one field.

import { colour, withAlpha } from './charts.js';
import { plainText, textNodes } from './client-text.js';
import { byId, make } from './dom.js';
import { count, hourName } from './format.js';

/** Levels, the most severe first: it stands at the foot of the bars, where heights compare best. */
export const LEVELS = ['EMERG', 'ALERT', 'CRIT', 'ERROR', 'WARN', 'NOTICE', 'INFO', 'DEBUG', 'TRACE'];

/** Nothing is left between the parts of a bar that is narrower, nor above a part that is lower. In pixels. */
const GAP_FROM = 4;

/**
 * The parts of the bars, from the foot up: {name, tone, records, isRest}. `by`: as /api/hours answers it. The name of the
 * rest is ours, every other name is a client's.
 */
export function partsOf({ values, records, other }, isLevel) {
  const parts = values.map((name, i) => {
    const isKnown = isLevel && LEVELS.includes(name);
    return { name, tone: isKnown ? `level-${name.toLowerCase()}` : `part-${i + 1}`, records: records[i] };
  });
  if (isLevel) parts.sort((a, b) => rank(a.name) - rank(b.name));
  if (other.some((each) => each > 0)) parts.push({ name: 'other', tone: 'part-other', records: other, isRest: true });
  return parts;
}

/** 0 is the most severe; a name that is no level comes after all. */
export function rank(name) {
  const index = LEVELS.indexOf(name);
  return index === -1 ? LEVELS.length : index;
}

/** Draws the parts into the chart `u`, a bar every `step` seconds. `isFaint(second)`: the bar is not the chosen one. */
export function drawStack(parts, step = 3600) {
  return (u, isFaint) => {
    const { ctx, bbox } = u;
    const tones = parts.map(({ tone }) => colour(tone));
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    u.data[0].forEach((second, index) => {
      const shades = isFaint(second) ? tones.map((tone) => withAlpha(tone, 0.35)) : tones;
      const heights = parts.map(({ records }) => records[index]);
      drawBar(u, second, { step, heights, shades });
    });
    ctx.restore();
  };
}

function drawBar(u, second, { step, heights, shades }) {
  const { pxRatio } = uPlot;
  const at = (value, scale) => u.valToPos(value, scale, true);
  const width = Math.max(1, Math.min(40 * pxRatio, (at(step, 'x') - at(0, 'x')) * 0.78));
  const left = Math.round(at(second, 'x') - width / 2);
  let foot = at(0, 'y');
  let sum = 0;
  heights.forEach((height, i) => {
    if (height === 0) return;
    sum += height;
    // One error among a million records is still seen.
    const top = Math.min(foot - pxRatio, at(sum, 'y'));
    const gap = Math.min(width, foot - top) >= GAP_FROM * pxRatio ? pxRatio : 0;
    u.ctx.fillStyle = shades[i];
    u.ctx.fillRect(left, top + gap, Math.ceil(width), foot - top - gap);
    foot = top;
  });
}

/** What is beside the cursor: the records of the hour and of each part, from the top of the bar down. */
export function stackTip(parts) {
  return (hour, index, total) => {
    const head = `${hourName(hour)} UTC\n${total == null ? 'no summary' : `${count(total)} records`}`;
    const rows = parts
      .filter(({ records }) => records[index] > 0)
      .reverse()
      .map(({ name, tone, records }) =>
        make('div', {}, swatch(tone), make('bdi', {}, plainText(name)), make('b', {}, count(records[index]))),
      );
    return make('div', { class: 'tip-rows' }, head, ...rows);
  };
}

/** `ERROR 3, INFO 5`, for one hour or, without `index`, for all. */
export function describeParts(parts, index) {
  return parts
    .map(({ name, records }) => [name, index === undefined ? sumOf(records) : records[index]])
    .filter(([, records]) => records > 0)
    .map(([name, records]) => `${plainText(name)} ${count(records)}`)
    .join(', ');
}

const sumOf = (records) => records.reduce((sum, each) => sum + each, 0);

export function swatch(tone) {
  const dot = make('i', { class: 'key-dot' });
  dot.style.setProperty('--c', `var(--${tone})`);
  return dot;
}

/** A name that others chose, as nodes; its direction of writing stays inside it. */
const nameNode = ({ name, isRest }) =>
  make('bdi', isRest ? { class: 'rest' } : { title: plainText(name) }, ...textNodes(name));

/** The legend of the bars, and the same figures as a table. `parts`: undefined for bars without parts. */
export function createLegend() {
  const [legend, box, table] = [byId('hour-legend'), byId('hour-table'), byId('hour-rows')];
  let shown;

  function fill() {
    if (!box.open || shown.parts === undefined) return table.replaceChildren();
    const { parts, totals, from } = shown;
    const head = ['Hour (UTC)', 'Records'].map((text, i) =>
      make('th', { scope: 'col', class: i > 0 ? 'num' : '' }, text),
    );
    const names = parts.map((part) => make('th', { scope: 'col', class: 'num' }, nameNode(part)));
    const cell = (value) => make('td', { class: 'num' }, count(value));
    const row = (i) =>
      make(
        'tr',
        {},
        make('th', { scope: 'row' }, hourName(from + i)),
        ...[totals, ...parts.map(({ records }) => records)].map((column) => cell(column[i])),
      );
    const hours = [...totals.keys()].filter((i) => totals[i] > 0).reverse();
    const none = make(
      'tr',
      {},
      make('td', { class: 'none', colspan: String(parts.length + 2) }, 'No records in this time.'),
    );
    table.replaceChildren(
      make('thead', {}, make('tr', {}, ...head, ...names)),
      make('tbody', {}, ...(hours.length === 0 ? [none] : hours.map(row))),
    );
  }

  box.addEventListener('toggle', fill);
  return {
    show(next) {
      shown = next;
      const { parts } = next;
      legend.hidden = parts === undefined || parts.length === 0;
      legend.replaceChildren(...(parts ?? []).map((part) => make('li', {}, swatch(part.tone), nameNode(part))));
      byId('legend-help').hidden = legend.hidden;
      box.hidden = parts === undefined;
      fill();
    },
  };
}
