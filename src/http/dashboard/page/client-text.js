// Text that clients chose. What does not show, or turns the direction of text around, is shown as its code point.

import { make } from './dom.js';

const MISLEADING = /[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\u2028\u2029]/gu;

/** The text in parts, in order: `{ text, isCode }`. With `isCode`, `text` is the name of a character, like `U+202E`. */
export function splitText(text) {
  const parts = [];
  let from = 0;
  for (const { 0: character, index } of text.matchAll(MISLEADING)) {
    if (index > from) parts.push({ text: text.slice(from, index), isCode: false });
    const code = character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0');
    parts.push({ text: `U+${code}`, isCode: true });
    from = index + character.length;
  }
  if (from < text.length) parts.push({ text: text.slice(from), isCode: false });
  return parts;
}

/** For a tooltip or another place that can hold text only. */
export function plainText(text) {
  return splitText(text)
    .map(({ text: part, isCode }) => (isCode ? `[${part}]` : part))
    .join('');
}

/** Nodes for `append`. */
export function textNodes(text) {
  return splitText(text).map(({ text: part, isCode }) => (isCode ? make('span', { class: 'code-point' }, part) : part));
}

/** The start of a text, for a message. */
export function shorten(text) {
  const plain = plainText(text);
  return plain.length > 64 ? `${plain.slice(0, 64)}…` : plain;
}
