// Records as they are stored: the newest of a stream or of an hour, filtered, and live.

import { getRecords, readEvents } from './api.js';
import { byId, make, setText } from './dom.js';
import { count, hourName, hourToIso, parseHour, plural } from './format.js';
import { createRecordList } from './record-list.js';
import { LEVELS, rank } from './stack.js';

/** How many records are asked for: at first, and by each press of the button below them. */
const LIMITS = [100, 500, 1_000];
/** Records that are kept while they come live. */
const LIVE_ROWS = 200;
/** Long records are read up to so many bytes. */
const MAX_BYTES = 4 * 2 ** 20;
/** Of those with parts that cannot be read. */
const NAMED_HOURS = 3;
const TYPING_MS = 300;
const DRAW_MS = 250;
/** The service sends a comment every ten seconds. */
const SILENCE_MS = 25_000;

/** `damaged`: undefined where it is not known. */
function describeDamage({ parts, places } = { parts: 0 }) {
  if (parts === 0) return '';
  const hours = [...new Set(places.map(({ hour }) => hourName(parseHour(hour))))];
  const named = `${hours.slice(0, NAMED_HOURS).join(', ')}${hours.length > NAMED_HOURS ? ' and others' : ''} UTC`;
  const [what, whose] = [plural(parts, 'part'), parts === 1 ? 'Its' : 'Their'];
  return `${what} of the stored hours cannot be read. ${whose} records are left out: ${named}.`;
}

export function createRecords() {
  const [contains, level, live, more] = [byId('contains'), byId('level'), byId('live'), byId('more-records')];
  const box = byId('records-box');
  const list = createRecordList(byId('records'));
  /** What is shown: a stream, and the hours that somebody chose; undefined: all. Live shows all, and leaves the choice as it is. */
  let view;
  let limit = LIMITS[0];
  let asked = new AbortController();
  let typing;
  let isLive = false;
  let drawing;

  for (const name of LEVELS.toReversed()) level.append(make('option', { value: name }, `${name} or worse`));

  const shownHours = () => (isLive ? undefined : view.hours);

  function describe() {
    const hours = shownHours();
    if (isLive) return 'As they arrive, newest first';
    if (hours === undefined) return 'Newest first';
    return hours.to - hours.from === 1
      ? `${hourName(hours.from)} UTC, newest first`
      : `${hourName(hours.from)} to ${hourName(hours.to)} UTC, newest first`;
  }

  function wanted() {
    const { stream } = view;
    const hours = shownHours();
    const query = new URLSearchParams({ stream: stream.name, order: 'desc', limit: String(limit), format: 'ndjson' });
    if (hours !== undefined) {
      query.set('from', hourToIso(hours.from));
      query.set('to', hourToIso(hours.to));
    }
    if (contains.value !== '') query.set('contains', contains.value);
    if (stream.levelField !== null && level.value !== '') query.append('where', `${stream.levelField}>=${level.value}`);
    return query;
  }

  /** Stops whatever is under way, and says what comes. What is shown is dim from now on until it is replaced. */
  function begin(follows) {
    isLive = follows;
    live.setAttribute('aria-pressed', String(follows));
    asked.abort();
    asked = new AbortController();
    clearTimeout(typing);
    clearInterval(drawing);
    more.hidden = true;
    setText(byId('records-error'), '');
    setText(byId('records-note'), '');
    setText(byId('records-damaged'), '');
    box.classList.add('dim');
    return asked.signal;
  }

  /** Shows the newest records. Resolves to their lines; to undefined where that failed or is not wanted any more. */
  async function showNewest(signal) {
    try {
      const { lines, isCut, damaged } = await getRecords(`records?${wanted()}`, { signal, maxBytes: MAX_BYTES });
      list.show(lines, view.stream);
      setText(byId('records-damaged'), describeDamage(damaged));
      showNone('No records.');
      more.hidden = isLive || isCut || lines.length < limit || limit === LIMITS.at(-1);
      if (isCut) setText(byId('records-note'), `The records are long: the newest ${count(lines.length)} are shown.`);
      return lines;
    } catch (error) {
      if (!signal.aborted) setText(byId('records-error'), `Cannot show the records: ${error.message}.`);
      return undefined;
    } finally {
      if (!signal.aborted) box.classList.remove('dim');
    }
  }

  function showNone(text) {
    byId('no-records').hidden = !list.isEmpty;
    setText(byId('no-records'), text);
  }

  function load() {
    if (view === undefined) return;
    const signal = begin(false);
    setText(byId('records-sub'), describe());
    void showNewest(signal);
  }

  /** What the service does not look at: a level, and a text with an equals sign, which would name a field there. */
  function isWanted(line, { stream }) {
    if (!line.includes(contains.value)) return false;
    if (stream.levelField === null || level.value === '') return true;
    try {
      return rank(JSON.parse(line)[stream.levelField]) <= rank(level.value);
    } catch {
      return false;
    }
  }

  /** Shows the newest records, and puts before them what arrives. */
  async function follow() {
    if (view === undefined) return;
    const signal = begin(true);
    limit = LIMITS[0];
    const { stream } = view;
    let [arrived, leftOut, wasLost] = [[], 0, false];
    const draw = () => {
      if (document.hidden) return;
      list.add(arrived.splice(0), stream, LIVE_ROWS);
      showNone('Waiting for records.');
      const note = leftOut === 0 ? '' : `${plural(leftOut, 'record')} left out: more arrive than can be shown.`;
      if (note !== '') setText(byId('records-note'), note);
    };
    setText(byId('records-sub'), describe());
    const query = new URLSearchParams({ stream: stream.name });
    if (contains.value !== '' && !contains.value.includes('=')) query.set('q', contains.value);
    const handlers = {
      records(text) {
        const found = text.split('\n').filter((line) => isWanted(line, { stream }));
        arrived = [...found.reverse(), ...arrived].slice(0, LIVE_ROWS);
      },
      'left-out'(text) {
        leftOut += Number(text);
      },
    };
    const { promise: opened, resolve: open } = Promise.withResolvers();
    const onState = (state, error) => {
      if (signal.aborted) return;
      // What arrived meanwhile is stored.
      if (state === 'live' && wasLost) return void follow();
      wasLost = state === 'lost';
      const text = state === 'live' ? '' : `Cannot follow the records: ${error.message}.`;
      setText(byId('records-error'), text);
      open();
    };
    readEvents(`events/tail?${query}`, handlers, onState, { signal, silenceMs: SILENCE_MS, parse: (text) => text });
    await opened;
    const stored = new Set(await showNewest(signal));
    if (signal.aborted) return;
    // What arrived in between may be shown already.
    arrived = arrived.filter((line) => !stored.has(line));
    drawing = setInterval(draw, DRAW_MS);
  }

  const again = () => (isLive ? void follow() : load());

  function filter() {
    clearTimeout(typing);
    typing = setTimeout(() => {
      limit = LIMITS[0];
      again();
    }, TYPING_MS);
  }

  contains.addEventListener('input', filter);
  level.addEventListener('change', filter);
  byId('records-tools').addEventListener('submit', (event) => event.preventDefault());
  live.addEventListener('click', () => (isLive ? load() : void follow()));
  byId('reload').addEventListener('click', load);
  more.addEventListener('click', () => {
    limit = LIMITS[LIMITS.indexOf(limit) + 1] ?? limit;
    load();
  });

  return {
    /** `stream`: as GET /streams has it. `hours`: {from, to} of what somebody chose, else undefined. */
    show({ stream, hours }) {
      const isSameStream = view?.stream.name === stream.name;
      const isSame = isSameStream && view.hours?.from === hours?.from && view.hours?.to === hours?.to;
      view = { stream, hours };
      if (isSame || (isSameStream && isLive && hours === undefined)) return;
      if (!isSameStream) {
        contains.value = '';
        level.value = '';
        list.show([], stream);
      }
      byId('level-field').hidden = stream.levelField === null;
      limit = LIMITS[0];
      load();
    },
  };
}
