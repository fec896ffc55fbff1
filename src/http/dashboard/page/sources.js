// Who sends, and how much: of a service where logging.sources is set, and of a collector.

import { getJson } from './api.js';
import { textNodes } from './client-text.js';
import { byId, make, setText } from './dom.js';
import { bytes, clock, count, plural } from './format.js';

const POLL_MS = 2000;

export function createSources() {
  let shown = '';
  let timer;

  /** Drawn again only when it has changed: somebody may be selecting its text. */
  function show(sources) {
    const text = JSON.stringify(sources);
    if (text === shown) return;
    shown = text;
    byId('no-sources').hidden = sources.length > 0;
    setText(byId('sources-note'), plural(sources.length, 'source'));
    byId('sources').replaceChildren(...sources.map(sourceRow));
  }

  /** One that fails is made good by the next; what is wrong is said by the event stream. */
  async function poll() {
    const { sources = [] } = await getJson('stats').catch(() => ({}));
    if (sources.length > 0 || shown === '') show(sources);
  }

  return {
    show,
    /** Asks the service for them from now on, or not at all. */
    follow(isCounted) {
      clearInterval(timer);
      byId('sources-section').hidden = !isCounted;
      if (!isCounted) return;
      void poll();
      timer = setInterval(() => {
        if (!document.hidden) void poll();
      }, POLL_MS);
    },
  };
}

function sourceRow({ source, records, bytes: size, rate, last_seen }) {
  return make(
    'tr',
    {},
    make('td', { class: 'source' }, make('bdi', {}, ...textNodes(source))),
    make('td', { class: 'num' }, count(rate)),
    make('td', { class: 'num' }, count(records)),
    make('td', { class: 'num' }, bytes(size).join(' ')),
    make('td', {}, make('time', { dateTime: last_seen }, clock(Date.parse(last_seen)))),
  );
}
