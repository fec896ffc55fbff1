// Charts by uPlot, which the page has loaded as `uPlot`. They are drawn again when the theme changes.

import { make } from './dom.js';

const charts = new Set();

/** The present colour of a custom property. A canvas cannot use custom properties. */
export function colour(name) {
  const probe = make('i');
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

export function withAlpha(rgb, alpha) {
  return rgb.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
}

function axis(extra) {
  return {
    stroke: colour('soft'),
    font: '12px system-ui, sans-serif',
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
    gap: 6,
    ...extra,
  };
}

/**
 * A chart in `element`. `options()` is called each time it is made; `tip(u, index)` returns the text or the
 * element beside the cursor; an empty text hides it.
 */
function createChart(element, options, tip) {
  let plot;
  let data;
  const label = make('div', { class: 'tip', hidden: true });
  label.setAttribute('aria-hidden', 'true');

  const showTip = (u) => {
    const content = u.cursor.idx == null ? '' : tip(u, u.cursor.idx);
    label.hidden = content === '';
    if (content === '') return;
    label.replaceChildren(content);
    const [left, room] = [u.cursor.left + u.over.offsetLeft, element.clientWidth - label.offsetWidth];
    // On the right of the cursor where there is room, else on its left.
    const place = left + 12 <= room ? left + 12 : left - 12 - label.offsetWidth;
    label.style.left = `${Math.max(0, Math.min(place < 0 ? room : place, room))}px`;
    label.style.top = `${u.over.offsetTop + 4}px`;
  };

  const draw = () => {
    plot?.destroy();
    plot = undefined;
    if (data === undefined || element.clientWidth === 0) return;
    plot = new uPlot(
      {
        width: element.clientWidth,
        height: element.clientHeight,
        legend: { show: false },
        padding: [8, 18, 0, 0],
        ...options(),
        hooks: { setCursor: [showTip], ...options().hooks },
      },
      data,
      element,
    );
    element.append(label);
  };

  const chart = {
    set(values) {
      data = values;
      if (document.hidden) return;
      if (plot === undefined) draw();
      else plot.setData(values);
    },
    draw,
    get plot() {
      return plot;
    },
  };
  new ResizeObserver(() => {
    if (plot === undefined) draw();
    else if (element.clientWidth > 0) plot.setSize({ width: element.clientWidth, height: element.clientHeight });
  }).observe(element);
  charts.add(chart);
  return chart;
}

export function redrawCharts() {
  for (const chart of charts) chart.draw();
}

/** Steps of an axis of whole numbers. */
const WHOLE = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

/** Steps of an axis of bytes. */
const BYTES = Array.from({ length: 5 }, (_, power) =>
  [1, 2, 5, 10, 20, 50, 100, 200, 500].map((step) => step * 1024 ** power),
).flat();

/** From 0 to a little above the highest value, so that a line of zeros has an axis too. */
const fromZero = (_, _min, max) => [0, max > 0 ? max * 1.12 : 1];

/**
 * Lines over the time of day. `series`: {name, tone, fill?}. `whole`: values are counts. `format` and `scale` write a value
 * at the cursor and at the axis.
 */
export function createLines(element, { series, format, scale, whole = false }) {
  const two = (value) => String(value).padStart(2, '0');
  const time = (second) => {
    const date = new Date(second * 1000);
    return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  };
  const options = () => ({
    tzDate: (second) => new Date(new Date(second * 1000).toISOString().slice(0, -1)),
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { time: true }, y: { range: fromZero } },
    axes: [
      axis({
        grid: { show: false },
        size: 28,
        values: (_, splits) => splits.map((second) => time(second).slice(0, 5)),
        space: 52,
        incrs: [1, 2, 5, 10, 15, 30, 60].map((minutes) => minutes * 60),
      }),
      axis({ size: 56, values: (_, splits) => splits.map(scale), space: 36, ...(whole && { incrs: WHOLE }) }),
    ],
    series: [
      {},
      ...series.map(({ name, tone, fill }) => ({
        label: name,
        stroke: colour(tone),
        width: 1.75,
        points: { show: false },
        spanGaps: false,
        ...(fill && { fill: withAlpha(colour(tone), 0.12) }),
      })),
    ],
  });
  return createChart(element, options, (u, index) => {
    const lines = series.map(({ name }, i) => {
      const value = u.data[i + 1][index];
      return `${name} ${value == null ? '–' : format(value)}`;
    });
    return [`${time(u.data[0][index])} UTC`, ...lines].join('\n');
  });
}

/**
 * Bars, one for each hour. `chosen()`: the hour to mark, or undefined. `divided()`: undefined where bars have no parts, else
 * {draw(u, isFaint), tip(hour, index, total)}, which draw the parts and make what stands beside the cursor.
 */
export function createHourBars(element, { chosen, name, scale, divided, onChoose }) {
  const isFaint = (second) => chosen() !== undefined && second !== chosen() * 3600;
  const bars = uPlot.paths.bars({
    size: [0.78, 40],
    radius: 0.12,
    disp: { fill: { unit: 3, values: (u) => fills(u) } },
  });
  const options = () => ({
    ...barsOver(3600, [1, 2, 3, 6, 12, 24, 48, 96, 168], { size: 56, scale, incrs: WHOLE }),
    series: [
      {},
      {
        paths: (u, ...series) => (divided() === undefined ? bars(u, ...series) : null),
        points: { show: false },
        fill: colour('accent'),
        stroke: 'transparent',
        width: 0,
      },
    ],
    hooks: {
      draw: [(u) => divided()?.draw(u, isFaint)],
      ready: [
        (u) => {
          u.over.addEventListener('click', () => {
            if (u.cursor.idx != null) onChoose(u.cursor.idx);
          });
        },
      ],
    },
  });
  const fills = (u) => {
    const [strong, faint] = [colour('accent'), withAlpha(colour('accent'), 0.35)];
    return u.data[0].map((second) => (isFaint(second) ? faint : strong));
  };
  return createChart(element, options, (u, index) => {
    const value = u.data[1][index];
    const parts = divided();
    if (parts !== undefined) return parts.tip(u.data[0][index] / 3600, index, value);
    return `${name(u.data[0][index] / 3600)} UTC\n${value == null ? 'no summary' : `${value.toLocaleString('en-US')} records`}`;
  });
}

/** Bars, one for each day, that have parts. `divided()`: as for hours, by the second at which a day begins. */
export function createDayBars(element, { scale, divided }) {
  const options = () => ({
    ...barsOver(86_400, [1, 2, 7, 14, 28], { size: 64, scale, incrs: BYTES }),
    series: [{}, { paths: () => null, points: { show: false }, stroke: 'transparent', width: 0 }],
    hooks: { draw: [(u) => divided().draw(u, () => false)] },
  });
  return createChart(element, options, (u, index) => divided().tip(u.data[0][index], index, u.data[1][index]));
}

/** What all bars over time share: one each `step` seconds, labelled every so many of them, and the axis of their height. */
function barsOver(step, steps, { size, scale, incrs }) {
  return {
    padding: [8, 12, 0, 0],
    tzDate: (second) => new Date(new Date(second * 1000).toISOString().slice(0, -1)),
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: true, range: (_, min, max) => [min - step / 2, max + step / 2] },
      y: { range: fromZero },
    },
    axes: [
      axis({
        grid: { show: false },
        space: 56,
        size: 28,
        incrs: steps.map((count) => count * step),
        values: (_, splits) => splits.map(hourLabel),
      }),
      axis({ size, values: (_, splits) => splits.map(scale), space: 40, incrs }),
    ],
  };
}

/** The day at midnight, else the hour. */
function hourLabel(second) {
  const date = new Date(second * 1000);
  const hour = date.getUTCHours();
  if (hour !== 0) return `${String(hour).padStart(2, '0')}:00`;
  return `${date.getUTCDate()} ${date.toLocaleString('en-GB', { month: 'short', timeZone: 'UTC' })}`;
}
