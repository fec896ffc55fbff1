import type { Page } from 'playwright-core';

type Rgb = readonly [number, number, number];

/** How a colour looks to most people, with deuteranopia and with protanopia. Machado and others, 2009, table of severity 1.0. */
const SIGHTS: readonly (readonly [Rgb, Rgb, Rgb])[] = [
  [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
];

/** The colour of a custom property of the page, by parts from 0 to 255. */
export async function colourOf(page: Page, property: string): Promise<Rgb> {
  const text = (await page.evaluate(`(() => {
    const probe = document.body.appendChild(document.createElement('i'));
    probe.style.color = 'var(--${property})';
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  })()`)) as string;
  const [red = Number.NaN, green = Number.NaN, blue = Number.NaN] = (text.match(/\d+/g) ?? []).map(Number);
  return [red, green, blue];
}

/** The distance of two colours for whom they are nearest, in hundredths of OKLab. https://bottosson.github.io/posts/oklab/ */
export function colourDistance(a: Rgb, b: Rgb): number {
  const distances = SIGHTS.map((sight) => {
    const [x, y] = [oklab(seen(a, sight)), oklab(seen(b, sight))];
    return 100 * Math.hypot(x[0] - y[0], x[1] - y[1], x[2] - y[2]);
  });
  return Math.min(...distances);
}

/** The contrast of two colours. https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
export function contrastOf(a: Rgb, b: Rgb): number {
  const luminance = (colour: Rgb) => dot([0.2126, 0.7152, 0.0722], linear(colour));
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

const dot = (a: Rgb, b: Rgb) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

const map = ([a, b, c]: Rgb, f: (part: number) => number): Rgb => [f(a), f(b), f(c)];

/** Linear light of each part, from 0 to 1. */
function linear(colour: Rgb): Rgb {
  return map(
    map(colour, (part) => part / 255),
    (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4),
  );
}

function seen(colour: Rgb, [red, green, blue]: (typeof SIGHTS)[number]): Rgb {
  const light = linear(colour);
  return map([dot(red, light), dot(green, light), dot(blue, light)], (part) => Math.min(1, Math.max(0, part)));
}

function oklab(light: Rgb): Rgb {
  const cones: Rgb = [
    dot([0.4122214708, 0.5363325363, 0.0514459929], light),
    dot([0.2119034982, 0.6806995451, 0.1073969566], light),
    dot([0.0883024619, 0.2817188376, 0.6299787005], light),
  ];
  const roots = map(cones, Math.cbrt);
  return [
    dot([0.2104542553, 0.793617785, -0.0040720468], roots),
    dot([1.9779984951, -2.428592205, 0.4505937099], roots),
    dot([0.0259040371, 0.7827717662, -0.808675766], roots),
  ];
}
