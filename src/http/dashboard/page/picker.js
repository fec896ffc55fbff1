// The choice of a stream, and of the field by whose values its bars are divided.

import { plainText } from './client-text.js';
import { byId, make } from './dom.js';

/** The stream of the page without a choice. Its bars have no parts. */
const FIRST = 'access';

export function createPicker({ onStream, onField }) {
  const [select, fields, buttons] = [byId('stream'), byId('fields-row'), byId('fields')];
  let streams = [];
  let stream = { name: FIRST, countBy: [], levelField: null };
  let field;

  function choose(name, wanted) {
    stream = streams.find((each) => each.name === name) ?? stream;
    const choices = stream.name === FIRST ? [] : stream.countBy;
    field = choices.includes(wanted) ? wanted : choices[0];
    select.value = stream.name;
    fields.hidden = choices.length < 2;
    buttons.replaceChildren(
      ...choices.map((each) => {
        const button = make('button', { type: 'button', title: plainText(each) }, make('bdi', {}, plainText(each)));
        button.setAttribute('aria-pressed', String(each === field));
        button.addEventListener('click', () => press(each));
        return button;
      }),
    );
  }

  function press(name) {
    field = name;
    stream.countBy.forEach((each, i) => {
      buttons.children[i].setAttribute('aria-pressed', String(each === field));
    });
    onField();
  }

  select.addEventListener('change', () => {
    choose(select.value);
    onStream();
  });

  return {
    /** `list`: as GET /streams answers it. */
    fill(list) {
      streams = list;
      select.replaceChildren(...streams.map(({ name }) => make('option', { value: name }, name)));
      select.value = stream.name;
    },
    has: (name) => streams.some((each) => each.name === name),
    /** Chooses a stream that there is, and the field `wanted` or its first. */
    choose,
    get stream() {
      return stream;
    },
    /** Undefined: the bars have no parts. */
    get field() {
      return field;
    },
    /** What the address says of the choice: nothing of what it would be without one. */
    address() {
      const isFirst = field === undefined || field === stream.countBy[0];
      return { ...(stream.name !== FIRST && { stream: stream.name }), ...(!isFirst && { by: field }) };
    },
    isFirst: () => stream.name === FIRST,
  };
}

export { FIRST as FIRST_STREAM };
