/*
 * Plots as SVG, by hand. A page shows them as images: so they bring their own colours, for light and dark, and no script.
 */

export interface Bars {
  readonly title: string;
  readonly unit: string;
  /** Names of the bars of a group, in order. */
  readonly series: readonly string[];
  readonly groups: readonly { readonly name: string; readonly values: readonly number[] }[];
}

export interface Curves {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly series: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[];
}

const WIDTH = 760;
const HEIGHT = 320;
const LEFT = 64;
const RIGHT = 16;
const TOP = 48;
const BOTTOM = 48;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
const PLOT_HEIGHT = HEIGHT - TOP - BOTTOM;
/** Lines of the grid, at most. */
const MAX_TICKS = 6;

// Okabe and Ito's colours, which people tell apart who see few; lighter ones on dark.
const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #333 }
  .title { font-size: 14px; font-weight: 600 }
  .grid { stroke: #ddd } .axis { stroke: #888 }
  .s0 { fill: #0072b2; stroke: #0072b2 } .s1 { fill: #e69f00; stroke: #e69f00 } .s2 { fill: #009e73; stroke: #009e73 }
  .line { fill: none; stroke-width: 2 }
  .back { fill: #fff }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .grid { stroke: #333 } .axis { stroke: #777 } .back { fill: #0d1117 }
    .s0 { fill: #56b4e9; stroke: #56b4e9 } .s1 { fill: #f0b840; stroke: #f0b840 } .s2 { fill: #2fc79a; stroke: #2fc79a }
    .line { fill: none }
  }`;

/** A group of bars for each name. */
export function drawBars({ title, unit, series, groups }: Bars): string {
  const { top, ticks } = scale(Math.max(...groups.flatMap(({ values }) => values)));
  const slot = PLOT_WIDTH / groups.length;
  const width = (slot * 0.8) / series.length;
  const bars = groups.flatMap(({ name, values }, i) => {
    const from = LEFT + i * slot;
    const drawn = values.flatMap((value, j) => {
      const x = from + slot * 0.1 + j * width;
      const y = yOf(value / top);
      return [
        `<rect class="s${j}" stroke="none" x="${round(x)}" y="${round(y)}" width="${round(width - 2)}" height="${round(yOf(0) - y)}"/>`,
        text(x + width / 2 - 1, y - 4, shorten(value), 'middle'),
      ];
    });
    return [...drawn, text(from + slot / 2, HEIGHT - BOTTOM + 18, name, 'middle')];
  });
  return page(title, [...grid(ticks, top), ...bars, ...legend(series, unit)]);
}

/** Lines through points, both axes from zero. */
export function drawCurves({ title, xTitle, yTitle, series }: Curves): string {
  const points = series.flatMap((one) => one.points);
  const x = scale(Math.max(...points.map(([value]) => value)));
  const y = scale(Math.max(1, ...points.map(([, value]) => value)));
  const xOf = (value: number) => LEFT + (value / x.top) * PLOT_WIDTH;
  const lines = series.flatMap((one, i) => {
    const drawn = one.points.map(([a, b]): [number, number] => [xOf(a), yOf(b / y.top)]);
    return [
      `<polyline class="line s${i}" points="${drawn.map(([a, b]) => `${round(a)},${round(b)}`).join(' ')}"/>`,
      ...drawn.map(([a, b]) => `<circle class="s${i}" cx="${round(a)}" cy="${round(b)}" r="3"/>`),
    ];
  });
  const below = x.ticks.map((tick) => text(xOf(tick), HEIGHT - BOTTOM + 18, shorten(tick), 'middle'));
  const names = series.map(({ name }) => name);
  const axis = text(LEFT + PLOT_WIDTH / 2, HEIGHT - 10, xTitle, 'middle');
  return page(title, [...grid(y.ticks, y.top), ...below, axis, ...lines, ...legend(names, yTitle)]);
}

/** Round steps up to at least `most`. */
function scale(most: number): { readonly top: number; readonly ticks: readonly number[] } {
  const magnitude = 10 ** Math.floor(Math.log10(Math.max(most, Number.MIN_VALUE) / MAX_TICKS));
  const step = ([1, 2, 5, 10].find((factor) => most / (factor * magnitude) <= MAX_TICKS) ?? 10) * magnitude;
  const count = Math.ceil(most / step);
  return { top: count * step, ticks: Array.from({ length: count + 1 }, (_, i) => i * step) };
}

function grid(ticks: readonly number[], top: number): string[] {
  return ticks.flatMap((tick) => {
    const y = round(yOf(tick / top));
    const name = tick === 0 ? 'axis' : 'grid';
    return [
      `<line class="${name}" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/>`,
      text(LEFT - 8, y + 4, shorten(tick), 'end'),
    ];
  });
}

function legend(names: readonly string[], unit: string): string[] {
  const entries = names.flatMap((name, i) => {
    const x = WIDTH - RIGHT - (names.length - i) * 130;
    return [`<rect class="s${i}" x="${x}" y="12" width="10" height="10"/>`, text(x + 16, 22, name, 'start')];
  });
  return [...entries, text(LEFT - 52, TOP - 12, unit, 'start')];
}

function page(title: string, parts: readonly string[]): string {
  const size = `width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${escapeXml(title)}">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="back" width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="title" x="${LEFT - 52}" y="22">${escapeXml(title)}</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escapeXml(content)}</text>`;
}

/** Up to the height of the plot, for 0 to 1. */
function yOf(share: number): number {
  return TOP + PLOT_HEIGHT * (1 - share);
}

/** 1234567 as `1.2 M`. */
function shorten(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toFixed(1))} M`;
  if (value >= 1e3) return `${Number((value / 1e3).toFixed(value < 1e4 ? 1 : 0))} k`;
  return String(Number(value.toFixed(1)));
}

function round(value: number): number {
  return Number(value.toFixed(1));
}

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
