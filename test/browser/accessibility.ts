import type { Page } from 'playwright-core';

/** Controls and pictures that a screen reader could not name. */
export async function namelessControls(page: Page): Promise<string[]> {
  return (await page.evaluate(`[...document.querySelectorAll('a, button, input, select, [role=slider], [role=img], [role=region], img')]
    .filter((element) => element.checkVisibility())
    .filter((element) => {
      const by = element.getAttribute('aria-labelledby');
      const name = element.getAttribute('aria-label') ?? (by === null ? undefined : document.getElementById(by)?.textContent)
        ?? (element.labels?.[0]?.textContent) ?? (element.tagName === 'IMG' ? element.getAttribute('alt') : element.textContent);
      return name === null || (name.trim() === '' && element.tagName !== 'IMG');
    })
    .map((element) => element.outerHTML.slice(0, 120))`)) as string[];
}

/**
 * Visible texts that have less contrast to what is behind them than WCAG 2.2 asks for (1.4.3): 4.5, or 3 for large text.
 */
export async function contrastProblems(page: Page): Promise<string[]> {
  return (await page.evaluate(`(() => {
    const parse = (text) => {
      const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
      return [r, g, b, a];
    };
    const luminance = ([r, g, b]) => {
      const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = (element) => {
      for (let e = element; e !== null; e = e.parentElement) {
        const colour = parse(getComputedStyle(e).backgroundColor);
        if (colour[3] === 1) return colour;
      }
      return [255, 255, 255, 1];
    };
    const problems = [];
    for (const element of document.querySelectorAll('body *')) {
      const text = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join('');
      if (text === '' || !element.checkVisibility() || element.closest('.hidden, .skip, script, .dim') !== null) continue;
      const { color, fontSize, fontWeight } = getComputedStyle(element);
      const [light, dark] = [luminance(parse(color)), luminance(behind(element))].sort((a, b) => b - a);
      const ratio = (light + 0.05) / (dark + 0.05);
      const size = parseFloat(fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5)) problems.push(ratio.toFixed(2) + ' ' + text.slice(0, 40));
    }
    return problems;
  })()`)) as string[];
}
