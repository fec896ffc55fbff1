// Elements are created, never parsed from text, so text from clients cannot become markup.

export const byId = (id) => document.getElementById(id);

/** An element with properties and children; strings become text. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (name === 'class') element.className = value;
    else if (
      name.startsWith('data-') ||
      name.startsWith('aria-') ||
      name === 'role' ||
      name === 'scope' ||
      name === 'colspan'
    )
      element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
