// Stored lines as a list. Each opens to the whole line, as it is stored.

import { textNodes } from './client-text.js';
import { make } from './dom.js';
import { LEVELS, swatch } from './stack.js';

/** Of the text of a row; a record that is opened shows all. */
const MAX_TEXT = 400;

/** `stream`: as GET /streams has it. Lines are given newest first. */
export function createRecordList(element) {
  return {
    show(lines, stream) {
      element.replaceChildren(...lines.map((line) => recordRow(line, stream)));
    },
    /** Puts these before the others, and keeps at most `max`. Those that stay are not touched: they may be open, or have the focus. */
    add(lines, stream, max) {
      element.prepend(...lines.slice(0, max).map((line) => recordRow(line, stream)));
      while (element.children.length > max) element.lastElementChild.remove();
    },
    get isEmpty() {
      return element.children.length === 0;
    },
  };
}

function recordRow(line, stream) {
  const details = make('details', { class: 'record' }, make('summary', {}, ...summaryOf(line, parse(line), stream)));
  details.addEventListener('toggle', () => {
    if (details.open && details.children.length === 1) details.append(make('pre', {}, ...textNodes(line)));
  });
  return make('li', {}, details);
}

/** Undefined for a line that is not a record. */
function parse(line) {
  try {
    const record = JSON.parse(line);
    return typeof record === 'object' && record !== null ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Its time, its level, and its other required fields: the first one in full strength. */
function summaryOf(line, record, { fields = [], levelField }) {
  if (record === undefined) return [make('span', { class: 'text' }, ...cut(line))];
  const read = (name) => (Object.hasOwn(record, name) ? textOf(record[name]) : '');
  const others = fields.filter((name) => name !== 'timestamp' && name !== levelField);
  const texts = others.length === 0 ? [line] : others.map(read);
  return [
    make('time', {}, ...cut(read('timestamp'))),
    ...(levelField === null ? [] : [levelBadge(read(levelField))]),
    make(
      'span',
      { class: 'text' },
      ...texts.map((text, i) => make('bdi', { class: i === 0 ? '' : 'soft' }, ...cut(text))),
    ),
  ];
}

function levelBadge(text) {
  const isKnown = LEVELS.includes(text);
  return make('span', { class: 'level' }, swatch(isKnown ? `level-${text.toLowerCase()}` : 'part-other'), ...cut(text));
}

const textOf = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

/** Nodes of the start of a text that a client chose. */
function cut(text) {
  return textNodes(text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text);
}
